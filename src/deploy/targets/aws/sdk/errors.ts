import { MokaError, systemErrorCode } from '../../../../shared/errors.ts'
import { type Denial, parseDenial, policyLine } from './denial.ts'

/**
 * What AWS or the way to it refused, for a person; `what` reads `read stack "mokapot-site"`. What is
 * neither AWS's nor the network's, and so a fault of ours, comes back as it is.
 */
export function explainAwsError(error: unknown, what: string): Error {
  if (error instanceof MokaError) return error
  const name = errorName(error)
  const reason = REASONS.find(({ holds }) => holds(name, error))
  if (reason === undefined) {
    if (!isAwsError(error)) return error instanceof Error ? error : new Error(String(error))
    return failure('AWS_FAILED', what, awsText(error), undefined, error)
  }
  const { text, hint } = reason.explain(error)
  return failure(reason.code, what, text, hint, error)
}

/** Whether it is of `explainAwsError`, with this code, or would be. */
export function isAwsFailure(error: unknown, code: AwsFailure): boolean {
  if (error instanceof MokaError) return error.code === code
  return REASONS.find(({ holds }) => holds(errorName(error), error))?.code === code
}

export type AwsFailure =
  | 'AWS_NO_CREDENTIALS'
  | 'AWS_CREDENTIALS_EXPIRED'
  | 'AWS_CREDENTIALS_REFUSED'
  | 'AWS_CLOCK'
  | 'AWS_NOT_ALLOWED'
  | 'AWS_NOT_SUBSCRIBED'
  | 'AWS_NO_REGION'
  | 'AWS_LIMIT'
  | 'AWS_THROTTLED'
  | 'AWS_UNREACHABLE'
  | 'AWS_NOT_IMPLEMENTED'
  | 'AWS_UNAVAILABLE'

interface Reason {
  code: AwsFailure
  holds(name: string, error: unknown): boolean
  explain(error: unknown): { text: string; hint: string }
}

const EXPIRED = ['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired', 'InvalidGrant']
const REFUSED = [
  ...['InvalidClientTokenId', 'UnrecognizedClientException', 'InvalidAccessKeyId', 'AuthFailure'],
  ...['InvalidToken', 'MissingAuthenticationToken', 'MissingAuthenticationTokenException'],
  ...['SignatureDoesNotMatch', 'InvalidSignatureException', 'IncompleteSignature'],
]
const CLOCK = ['RequestTimeTooSkewed', 'RequestInTheFuture', 'RequestExpired']
const DENIED = [
  ...['AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation', 'UnauthorizedException'],
  ...['AuthorizationError', 'AuthorizationErrorException', 'NotAuthorizedException', 'Forbidden'],
]
const THROTTLED = [
  ...['Throttling', 'ThrottlingException', 'ThrottledException', 'TooManyRequestsException'],
  ...['RequestLimitExceeded', 'SlowDown', 'RequestThrottled', 'RequestThrottledException'],
  ...['PriorRequestNotComplete', 'BandwidthLimitExceeded', 'EC2ThrottledException'],
]
const LIMIT = /^(?:LimitExceeded(?:Exception)?|ServiceQuotaExceeded(?:Exception)?|TooMany[A-Z]\w+)$/
const NETWORK = [
  ...['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EPIPE'],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'EPROTO', 'ECONNABORTED'],
]
const UNTRUSTED = /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_)/

/** The first that holds counts: a signature that is too old is a matter of the clock, not of the key. */
const REASONS: readonly Reason[] = [
  {
    code: 'AWS_CREDENTIALS_EXPIRED',
    holds: (name, error) =>
      EXPIRED.includes(name) || (isProviderError(name) && EXPIRED_SESSION.test(messageOf(error))),
    explain: () => ({ text: 'the AWS credentials have expired', hint: renewal() }),
  },
  {
    code: 'AWS_NO_CREDENTIALS',
    holds: isProviderError,
    explain: error => ({
      text: `no AWS credentials were found (${messageOf(error).replace(/\.$/, '')})`,
      hint: `${renewal()}; or name a profile of yours with AWS_PROFILE; \`aws configure sso\` or \`aws configure\` makes one`,
    }),
  },
  {
    code: 'AWS_CLOCK',
    holds: (name, error) =>
      CLOCK.includes(name) || /Signature (?:expired|not yet current)/.test(messageOf(error)),
    explain: error => ({
      text: `the clock of this machine is wrong: it says ${new Date().toISOString()}${serverTime(error)}`,
      hint: 'set it by the network: timedatectl set-ntp true (Linux), sudo sntp -sS time.apple.com (macOS)',
    }),
  },
  {
    code: 'AWS_CREDENTIALS_REFUSED',
    holds: name => REFUSED.includes(name),
    explain: error => ({
      text: `AWS does not know these credentials: ${awsText(error)}`,
      hint: `${renewal()}; \`aws sts get-caller-identity\` tells whose they are; a region that the account has to enable first refuses all of them`,
    }),
  },
  { code: 'AWS_NOT_ALLOWED', holds: name => DENIED.includes(name), explain: explainDenial },
  {
    code: 'AWS_NOT_SUBSCRIBED',
    holds: name => ['OptInRequired', 'SubscriptionRequiredException'].includes(name),
    explain: error => ({
      text: `the account may not use this service yet: ${awsText(error)}`,
      hint: 'finish the registration (payment, telephone): https://portal.aws.amazon.com/billing/signup?type=resubscribe; a new account takes up to a day',
    }),
  },
  {
    code: 'AWS_NO_REGION',
    holds: (_name, error) =>
      /^Region is missing|^Invalid region|^Region not accepted/.test(messageOf(error)),
    explain: error => ({
      text: `there is no usable region (${messageOf(error)})`,
      hint: "aws: { region: 'eu-central-1' } in moka.config.ts, or AWS_REGION",
    }),
  },
  {
    code: 'AWS_THROTTLED',
    holds: (name, error) => THROTTLED.includes(name) || status(error) === 429,
    explain: error => ({
      text: `AWS takes no more requests from this account for now: ${awsText(error)}`,
      hint: 'wait a minute, then do it again; what was done stays done',
    }),
  },
  {
    code: 'AWS_LIMIT',
    holds: name => LIMIT.test(name),
    explain: error => ({
      text: `a limit of the account is reached: ${awsText(error)}`,
      hint: 'remove what is not needed, or ask for more: https://console.aws.amazon.com/servicequotas/home',
    }),
  },
  { code: 'AWS_UNREACHABLE', holds: (_name, error) => isUnreachable(error), explain: explainWay },
  {
    // AWS itself has what is asked of it: this is a server of somebody else.
    code: 'AWS_NOT_IMPLEMENTED',
    holds: (name, error) => name === 'NotImplemented' || status(error) === 501,
    explain: error => ({
      text: `the server does not have what a deploy needs: ${awsText(error)}`,
      hint: 'AWS has it; a server in its place (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL) needs all that their manuals have, such as the conditional writes of S3 that keep two deploys apart',
    }),
  },
  {
    code: 'AWS_UNAVAILABLE',
    holds: (_name, error) => (status(error) ?? 0) >= 500,
    explain: error => ({
      text: `AWS has a fault of its own: ${awsText(error)}`,
      hint: 'do it again in a while; https://health.aws.amazon.com/health/status tells more',
    }),
  },
]

/** Of the SDK's providers of credentials; their words differ by the way one signed in. */
const EXPIRED_SESSION =
  /expired|is invalid\. To refresh|re-?authenticate|not found or is invalid|Failed to refresh/i

function isProviderError(name: string): boolean {
  return name === 'CredentialsProviderError' || name === 'TokenProviderError'
}

function explainDenial(error: unknown): { text: string; hint: string } {
  const denial = parseDenial(messageOf(error))
  if (denial === undefined) {
    return {
      text: `AWS does not allow it: ${awsText(error)}`,
      hint: 'moka doctor --to aws lists the actions that are missing',
    }
  }
  const { action, resource, principal } = denial
  const on = resource === undefined ? '' : ` on "${resource}"`
  return {
    text: `${principal === undefined ? 'this account' : `"${principal}"`} may not do ${action}${on}${requestOf(error)}`,
    hint: denialHint(denial),
  }
}

function denialHint(denial: Denial): string {
  const { deniedBy } = denial
  if (deniedBy !== undefined) {
    return `${deniedBy} denies it, which no further permission changes: ask who keeps it`
  }
  return `add to its policy: ${policyLine(denial)}`
}

function isUnreachable(error: unknown): boolean {
  const code = systemErrorCode(error) ?? systemErrorCode((error as Error | undefined)?.cause)
  if (code !== undefined && (NETWORK.includes(code) || UNTRUSTED.test(code))) return true
  return ['TimeoutError', 'RequestTimeout', 'RequestTimeoutException'].includes(errorName(error))
}

function explainWay(error: unknown): { text: string; hint: string } {
  const code = systemErrorCode(error) ?? systemErrorCode((error as Error).cause) ?? errorName(error)
  const host = (error as { hostname?: unknown }).hostname
  const address = typeof host === 'string' ? host : undefined
  if (code === 'ENOTFOUND' && address !== undefined) {
    return {
      text: `there is no host "${address}"`,
      hint: 'is the region spelled right, does it have this service, and is this machine on the network?',
    }
  }
  if (UNTRUSTED.test(code)) {
    return {
      text: `the certificate of AWS's host is not trusted (${code})`,
      hint: 'does a proxy stand between? name its authority with NODE_EXTRA_CA_CERTS',
    }
  }
  const endpoint = process.env.AWS_ENDPOINT_URL
  const at = address ?? endpoint
  return {
    text: `AWS cannot be reached${at === undefined ? '' : ` at "${at}"`} (${code})`,
    hint:
      endpoint === undefined
        ? 'check the network of this machine, then do it again'
        : 'AWS_ENDPOINT_URL is set: does something answer there?',
  }
}

/** How to get credentials that hold, in the words of the profile that is used. */
function renewal(): string {
  const { AWS_PROFILE, AWS_ACCESS_KEY_ID, GITHUB_ACTIONS } = process.env
  if (GITHUB_ACTIONS === 'true') {
    return 'let the job run aws-actions/configure-aws-credentials, with `permissions: id-token: write`'
  }
  if (AWS_PROFILE !== undefined && AWS_PROFILE !== '') {
    return `aws sso login --profile ${AWS_PROFILE}`
  }
  if (AWS_ACCESS_KEY_ID !== undefined && AWS_ACCESS_KEY_ID !== '') {
    return 'AWS_ACCESS_KEY_ID is set in this shell: export new ones, or unset it and use `aws sso login`'
  }
  return 'aws sso login'
}

function isAwsError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && '$metadata' in error
}

function errorName(error: unknown): string {
  const name = (error as { name?: unknown } | null | undefined)?.name
  return typeof name === 'string' ? name : ''
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function status(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata
    ?.httpStatusCode
}

/** AWS's name and words, and what its support asks for first. */
function awsText(error: unknown): string {
  const words = messageOf(error).trim()
  const name = errorName(error)
  const isNameSaid = name === '' || name === 'Error' || words.includes(name)
  const said = isNameSaid ? words : [name, words].filter(part => part !== '').join(': ')
  return `${said.replace(/\.$/, '')}${requestOf(error)}`
}

function requestOf(error: unknown): string {
  const id = (error as { $metadata?: { requestId?: string } } | undefined)?.$metadata?.requestId
  return id === undefined ? '' : ` (request ${id})`
}

function serverTime(error: unknown): string {
  const served = (error as { ServerTime?: unknown }).ServerTime
  return typeof served === 'string' ? `, AWS says ${served}` : ''
}

function failure(
  code: string,
  what: string,
  text: string,
  hint: string | undefined,
  cause: unknown,
): MokaError {
  return new MokaError(code, `cannot ${what}: ${text}`, {
    ...(hint === undefined ? {} : { hint }),
    cause,
  })
}
