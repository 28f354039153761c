import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { formatError, MokaError } from '../../../../shared/errors.ts'
import { explainAwsError, isAwsFailure } from './errors.ts'

const DENIED =
  'User: arn:aws:iam::123456789012:user/anna is not authorized to perform: lambda:CreateFunction on resource: arn:aws:lambda:eu-central-1:123456789012:function:mokapot-site-visits because no identity-based policy allows the lambda:CreateFunction action'

/** An error as the SDK's clients throw it. */
function awsError(name: string, message: string, metadata: object = {}): Error {
  return Object.assign(new Error(message), {
    name,
    $fault: 'client',
    $metadata: { httpStatusCode: 400, requestId: 'req-1', ...metadata },
  })
}

const explain = (error: unknown) => explainAwsError(error, 'read stack "mokapot-site"') as MokaError
const coded = (code: string, more: object = {}) =>
  Object.assign(new Error(`failed ${code}`), { code, $metadata: { attempts: 1 }, ...more })

beforeEach(() => {
  for (const name of ['AWS_PROFILE', 'AWS_ACCESS_KEY_ID', 'AWS_ENDPOINT_URL', 'GITHUB_ACTIONS'])
    vi.stubEnv(name, undefined)
})
afterEach(() => {
  vi.unstubAllEnvs()
})

describe('explainAwsError', () => {
  it.each([
    [
      'CredentialsProviderError',
      'Could not load credentials from any providers',
      'AWS_NO_CREDENTIALS',
    ],
    [
      'CredentialsProviderError',
      'The SSO session associated with this profile has expired. To refresh this SSO session run aws sso login with the corresponding profile.',
      'AWS_CREDENTIALS_EXPIRED',
    ],
    [
      'TokenProviderError',
      'Token is expired. To refresh this SSO session run "aws sso login"',
      'AWS_CREDENTIALS_EXPIRED',
    ],
    [
      'CredentialsProviderError',
      'Failed to load a token for session x, please re-authenticate using aws login',
      'AWS_CREDENTIALS_EXPIRED',
    ],
    ['ExpiredToken', 'The provided token has expired.', 'AWS_CREDENTIALS_EXPIRED'],
    [
      'ExpiredTokenException',
      'The security token included in the request is expired',
      'AWS_CREDENTIALS_EXPIRED',
    ],
    ['RequestExpired', 'Request has expired.', 'AWS_CLOCK'],
    ['NotImplemented', 'Conditional object PUTs are not supported.', 'AWS_NOT_IMPLEMENTED'],
    [
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
      'AWS_CLOCK',
    ],
    [
      'SignatureDoesNotMatch',
      'Signature expired: 20261123T100000Z is now earlier than 20261123T110000Z',
      'AWS_CLOCK',
    ],
    ['InvalidSignatureException', 'Signature not yet current: 20261123T100000Z', 'AWS_CLOCK'],
    [
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match',
      'AWS_CREDENTIALS_REFUSED',
    ],
    [
      'UnrecognizedClientException',
      'The security token included in the request is invalid.',
      'AWS_CREDENTIALS_REFUSED',
    ],
    [
      'InvalidClientTokenId',
      'The security token included in the request is invalid.',
      'AWS_CREDENTIALS_REFUSED',
    ],
    [
      'InvalidAccessKeyId',
      'The AWS Access Key Id you provided does not exist in our records.',
      'AWS_CREDENTIALS_REFUSED',
    ],
    ['AccessDenied', 'Access Denied', 'AWS_NOT_ALLOWED'],
    ['AccessDeniedException', DENIED, 'AWS_NOT_ALLOWED'],
    [
      'OptInRequired',
      'The AWS Access Key Id needs a subscription for the service',
      'AWS_NOT_SUBSCRIBED',
    ],
    ['Error', 'Region is missing', 'AWS_NO_REGION'],
    ['Throttling', 'Rate exceeded', 'AWS_THROTTLED'],
    ['TooManyRequestsException', 'Rate exceeded', 'AWS_THROTTLED'],
    ['LimitExceededException', 'Too many stacks', 'AWS_LIMIT'],
    ['TooManyDistributionCNAMEs', 'too many', 'AWS_LIMIT'],
    ['TimeoutError', 'socket hang up', 'AWS_UNREACHABLE'],
  ])('tells what %s with "%s" is', (name, message, code) => {
    const error = awsError(name, message)
    const explained = explain(error)
    expect(explained).toBeInstanceOf(MokaError)
    expect(explained.code).toBe(code)
    expect(explained.message).toMatch(/^cannot read stack "mokapot-site": /)
    expect(explained.hint).toBeTruthy()
    expect(explained.cause).toBe(error)
  })

  it('names the action and the resource that are not allowed, and the line that would allow them', () => {
    const { message, hint } = explain(awsError('AccessDeniedException', DENIED))
    expect(message).toContain(
      '"arn:aws:iam::123456789012:user/anna" may not do lambda:CreateFunction on "arn:aws:lambda:eu-central-1:123456789012:function:mokapot-site-visits" (request req-1)',
    )
    expect(hint).toBe(
      'add to its policy: {"Effect":"Allow","Action":"lambda:CreateFunction","Resource":"arn:aws:lambda:eu-central-1:123456789012:function:mokapot-site-visits"}',
    )
  })

  it('advises no permission where a rule above the account denies it', () => {
    const { hint } = explain(
      awsError(
        'AccessDenied',
        'User: arn:aws:iam::123456789012:user/anna is not authorized to perform: s3:CreateBucket on resource: "arn:aws:s3:::b" with an explicit deny in a service control policy',
      ),
    )
    expect(hint).toMatch(/^a service control policy denies it/)
  })

  it('names the host that is not there, as of a region that does not exist', () => {
    const error = coded('ENOTFOUND', { hostname: 'sts.nowhere-1.amazonaws.com' })
    const { code, message, hint } = explain(error)
    expect(code).toBe('AWS_UNREACHABLE')
    expect(message).toMatch(/there is no host "sts\.nowhere-1\.amazonaws\.com"$/)
    expect(hint).toMatch(/region spelled right/)
  })

  it.each(['ECONNREFUSED', 'EAI_AGAIN', 'ENETUNREACH', 'SELF_SIGNED_CERT_IN_CHAIN'])(
    'tells %s as a matter of the way to AWS',
    code => {
      expect(explain(coded(code)).code).toBe('AWS_UNREACHABLE')
    },
  )

  it('names the profile whose session is to be renewed', () => {
    vi.stubEnv('AWS_PROFILE', 'work')
    expect(explain(awsError('ExpiredToken', 'x')).hint).toBe('aws sso login --profile work')
  })

  it('keeps the name, the words and the request of what it does not know', () => {
    const explained = explain(
      awsError('NoSuchDistribution', 'The specified distribution does not exist.'),
    )
    expect(explained.code).toBe('AWS_FAILED')
    expect(formatError(explained)).toBe(
      'cannot read stack "mokapot-site": NoSuchDistribution: The specified distribution does not exist (request req-1)',
    )
  })

  it('tells what another server of S3 lacks as no fault of AWS that passes', () => {
    const error = awsError('NotImplemented', 'Conditional object PUTs are not supported.', {
      httpStatusCode: 501,
    })
    expect(explain(error)).toMatchObject({
      code: 'AWS_NOT_IMPLEMENTED',
      message: expect.stringContaining('Conditional object PUTs are not supported'),
      hint: expect.stringContaining('AWS_ENDPOINT_URL_S3'),
    })
  })

  it('leaves what was explained before and what is a fault of ours as they are', () => {
    const before = new MokaError('AWS_SDK_MISSING', 'cannot speak to AWS')
    expect(explain(before)).toBe(before)
    const fault = new TypeError('x is not a function')
    expect(explain(fault)).toBe(fault)
  })

  it('tells one failure from another before and after it was explained', () => {
    const error = awsError('ExpiredToken', 'x')
    expect(isAwsFailure(error, 'AWS_CREDENTIALS_EXPIRED')).toBe(true)
    expect(isAwsFailure(explain(error), 'AWS_CREDENTIALS_EXPIRED')).toBe(true)
    expect(isAwsFailure(error, 'AWS_NOT_ALLOWED')).toBe(false)
  })
})
