import { randomUUID } from 'node:crypto'
import { Fields } from '../http/fields.ts'
import type { Logger } from '../shared/logger.ts'
import type { AwsRequest, AwsResponse } from './aws-request.ts'
import { AwsError, formatRestXmlError } from './errors.ts'
import { type Verification, verifySignature } from './sigv4/verify.ts'

/** One service's door: what it does with a request whose signature is good. */
export interface AwsService {
  /** Of its XML, errors included. */
  namespace: string
  /** Throws `AwsError` for what it refuses. */
  handle(request: AwsRequest): Promise<AwsResponse>
}

export interface AwsDoors {
  /** Answers anything, also what no AWS client sends. */
  handle(request: AwsRequest): Promise<AwsResponse>
}

export interface AwsKey {
  accessKeyId: string
  secretAccessKey: string
}

/** Errors that arise before it is known whose door it is. */
const NO_SERVICE = 'https://iam.amazonaws.com/doc/2010-05-08/'

/**
 * All doors behind one address: signature → service, by the name in the credential's scope → its
 * handler → its answer, or an error as AWS writes it.
 */
export function createAwsDoors(options: {
  services: Readonly<Record<string, AwsService>>
  key: AwsKey
  now: () => number
  logger: Logger
}): AwsDoors {
  const { services, key, now, logger } = options
  const serviceOf = (request: AwsRequest): AwsService => {
    const { service } = authenticate(request, key, now())
    const found = Object.hasOwn(services, service) ? services[service] : undefined
    if (found !== undefined) return found
    throw new AwsError(
      'UnknownService',
      404,
      `There is no service "${service}" here; there is ${Object.keys(services).sort().join(', ')}.`,
    )
  }
  return {
    async handle(request) {
      const requestId = randomUUID()
      let namespace = NO_SERVICE
      try {
        const service = serviceOf(request)
        namespace = service.namespace
        return withRequestId(await service.handle(request), requestId)
      } catch (error) {
        const refusal = error instanceof AwsError ? error : unexpected(error, logger, requestId)
        const fields = new Fields().set('content-type', 'text/xml')
        const body = formatRestXmlError(refusal, requestId, namespace)
        return withRequestId({ status: refusal.status, fields, body }, requestId)
      }
    },
  }
}

function withRequestId(response: AwsResponse, requestId: string): AwsResponse {
  response.fields.set('x-amzn-requestid', requestId)
  return response
}

/** What we did not foresee is told to whoever runs the cloud, and no more of it to the client. */
function unexpected(error: unknown, logger: Logger, requestId: string): AwsError {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  logger.error('a request to an AWS door failed', { requestId, error: detail })
  return new AwsError(
    'InternalFailure',
    500,
    'The cloud could not carry out the request; its log says why.',
  )
}

/** Throws the error that AWS's services have for each way to be nobody. */
function authenticate(request: AwsRequest, key: AwsKey, now: number): { service: string } {
  const verification = verifySignature(request, {
    now,
    secretOf: accessKeyId => (accessKeyId === key.accessKeyId ? key.secretAccessKey : undefined),
  })
  if (verification.kind === 'verified') return verification.scope
  throw refusalOf(verification)
}

function refusalOf(verification: Exclude<Verification, { kind: 'verified' }>): AwsError {
  switch (verification.kind) {
    case 'unsigned':
      return new AwsError(
        'MissingAuthenticationToken',
        403,
        'The request is not signed. `moka env` prints the keys of this cloud.',
      )
    case 'malformed':
      return new AwsError(
        'IncompleteSignature',
        400,
        `The signature cannot be read: ${verification.reason}.`,
      )
    case 'unknown-key':
      return new AwsError(
        'InvalidClientTokenId',
        403,
        `The keys are not those of this cloud: ${verification.reason}. \`moka env\` prints them.`,
      )
    case 'expired':
    case 'not-yet':
      return new AwsError(
        'RequestExpired',
        400,
        `The signature does not hold now: ${verification.reason}.`,
      )
    case 'wrong-payload':
      return new AwsError(
        'SignatureDoesNotMatch',
        403,
        'The body does not have the hash in x-amz-content-sha256.',
      )
    case 'wrong-signature':
      return new AwsError(
        'SignatureDoesNotMatch',
        403,
        `The signature is not the one of this request and secret. The canonical request here is:\n${verification.canonicalRequest}`,
      )
  }
}
