import { createHash, createHmac } from 'node:crypto'

/** Keys of whoever signs, as they are in the environment of a function on Lambda. */
export interface AwsKeys {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

/** When and for what something is signed, as Signature Version 4 writes it. */
export interface SigningScope {
  /** `20260901T120000Z` */
  time: string
  /** `20260901/eu-central-1/lambda/aws4_request` */
  scope: string
}

export const SIGNING_ALGORITHM = 'AWS4-HMAC-SHA256'

export function signingScope(service: string, region: string, nowMs: number): SigningScope {
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
  return { time, scope: `${time.slice(0, 8)}/${region}/${service}/aws4_request` }
}

/** Of a canonical request, in hexadecimal. */
export function signatureOf(
  canonical: string,
  { time, scope }: SigningScope,
  { secretAccessKey }: AwsKeys,
): string {
  const text = [SIGNING_ALGORITHM, time, scope, sha256(canonical)].join('\n')
  const key = scope
    .split('/')
    .reduce(
      (secret: string | Buffer, part) => createHmac('sha256', secret).update(part).digest(),
      `AWS4${secretAccessKey}`,
    )
  return createHmac('sha256', key).update(text).digest('hex')
}

/** All but unreserved characters (RFC 3986 §2.3), as signatures want it: `encodeURIComponent` leaves some more. */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    mark => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** The keys that Lambda gives a function. */
export function keysOfEnvironment(environment: NodeJS.ProcessEnv): AwsKeys {
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '', AWS_SESSION_TOKEN } = environment
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN === undefined ? {} : { sessionToken: AWS_SESSION_TOKEN }),
  }
}
