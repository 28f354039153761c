import { type AwsRequest, splitTarget } from '../aws-request.ts'

export const ALGORITHM = 'AWS4-HMAC-SHA256'

/** For whom, when and where a signature holds. */
export interface CredentialScope {
  accessKeyId: string
  /** `20150830` */
  day: string
  region: string
  service: string
}

/** What a request says of its own signature. Nothing of it is proven. */
export interface SignatureClaim {
  /** In the Authorization field, or in the query of a presigned URL. */
  place: 'header' | 'query'
  scope: CredentialScope
  /** `20150830T123600Z` */
  timestamp: string
  signedAtMs: number
  /** Of a presigned URL: how long it holds. */
  expiresSeconds?: number
  signedHeaders: readonly string[]
  signature: string
  /** A session token came along. */
  hasToken: boolean
}

export type ClaimOutcome =
  | { kind: 'claim'; claim: SignatureClaim }
  | { kind: 'none' }
  | { kind: 'malformed'; reason: string }

/** AWS allows a week. */
const MAX_EXPIRES_SECONDS = 604_800

/** Reads the Authorization field, or the query of a presigned URL. */
export function readClaim(request: AwsRequest): ClaimOutcome {
  const authorization = request.fields.get('authorization')
  const query = new URLSearchParams(splitTarget(request.target).query)
  if (authorization !== undefined) return fromHeader(request, authorization)
  if (query.has('X-Amz-Algorithm') || query.has('X-Amz-Signature')) return fromQuery(query)
  return { kind: 'none' }
}

function fromHeader({ fields }: AwsRequest, authorization: string): ClaimOutcome {
  const [, algorithm = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(authorization) ?? []
  if (algorithm !== ALGORITHM) return malformed(`the Authorization field is not ${ALGORITHM}`)
  const parts = new Map(
    rest.split(',').map(part => {
      const [name = '', ...value] = part.trim().split('=')
      return [name, value.join('=')]
    }),
  )
  const timestamp = fields.get('x-amz-date')
  if (timestamp === undefined) return malformed('there is no X-Amz-Date')
  return claimOf('header', {
    credential: parts.get('Credential'),
    timestamp,
    signedHeaders: parts.get('SignedHeaders'),
    signature: parts.get('Signature'),
    hasToken: fields.has('x-amz-security-token'),
  })
}

function fromQuery(query: URLSearchParams): ClaimOutcome {
  const only = (name: string) => query.get(name) ?? undefined
  for (const name of new Set(query.keys())) {
    if (/^X-Amz-/i.test(name) && query.getAll(name).length > 1) {
      return malformed(`${name} stands there twice`)
    }
  }
  if (only('X-Amz-Algorithm') !== ALGORITHM) return malformed(`X-Amz-Algorithm is not ${ALGORITHM}`)
  const expires = only('X-Amz-Expires')
  const expiresSeconds = Number(expires)
  if (expires === undefined || !/^\d{1,6}$/.test(expires) || expiresSeconds > MAX_EXPIRES_SECONDS) {
    return malformed(`X-Amz-Expires is not a number of seconds up to ${MAX_EXPIRES_SECONDS}`)
  }
  return claimOf('query', {
    credential: only('X-Amz-Credential'),
    timestamp: only('X-Amz-Date') ?? '',
    signedHeaders: only('X-Amz-SignedHeaders'),
    signature: only('X-Amz-Signature'),
    hasToken: query.has('X-Amz-Security-Token'),
    expiresSeconds,
  })
}

function claimOf(
  place: SignatureClaim['place'],
  said: {
    credential: string | undefined
    timestamp: string
    signedHeaders: string | undefined
    signature: string | undefined
    hasToken: boolean
    expiresSeconds?: number
  },
): ClaimOutcome {
  const { credential = '', timestamp, signedHeaders = '', signature = '', hasToken } = said
  const [accessKeyId, day, region, service, end, ...more] = credential.split('/')
  if (!accessKeyId || !day || !region || !service || end !== 'aws4_request' || more.length > 0) {
    return malformed('the credential is not key/day/region/service/aws4_request')
  }
  const signedAtMs = parseTimestamp(timestamp)
  if (signedAtMs === undefined) return malformed('X-Amz-Date is not of the form 20150830T123600Z')
  if (timestamp.slice(0, 8) !== day) return malformed('X-Amz-Date is not of the credential’s day')
  if (!/^[0-9a-f]{64}$/.test(signature)) return malformed('the signature is not 64 hex digits')
  const names = signedHeaders.split(';')
  const isOrdered = names.every((name, index) => index === 0 || names[index - 1]! < name)
  if (!isOrdered || names.some(name => !/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name))) {
    return malformed('the signed headers are not names in lower case, in order')
  }
  const { expiresSeconds } = said
  return {
    kind: 'claim',
    claim: {
      place,
      scope: { accessKeyId, day, region, service },
      timestamp,
      signedAtMs,
      ...(expiresSeconds === undefined ? {} : { expiresSeconds }),
      signedHeaders: names,
      signature,
      hasToken,
    },
  }
}

function malformed(reason: string): ClaimOutcome {
  return { kind: 'malformed', reason }
}

function parseTimestamp(timestamp: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(timestamp)
  if (parts === null) return undefined
  const [, year, month, day, hour, minute, second] = parts
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(ms) ? undefined : ms
}
