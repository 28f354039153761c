import { type AwsKeys, SIGNING_ALGORITHM, sha256, signatureOf, signingScope } from './signature.ts'

export interface UnsignedRequest {
  service: string
  region: string
  method: string
  url: URL
  body: string
  keys: AwsKeys
  nowMs: number
}

/** Header fields that sign a request of a function on Lambda (Signature Version 4), body included. */
export function signedFields(request: UnsignedRequest): Record<string, string> {
  const { service, region, method, url, body, keys, nowMs } = request
  const signing = signingScope(service, region, nowMs)
  const fields: Record<string, string> = {
    host: url.host,
    'x-amz-content-sha256': sha256(body),
    'x-amz-date': signing.time,
    ...(keys.sessionToken === undefined ? {} : { 'x-amz-security-token': keys.sessionToken }),
  }
  const names = Object.keys(fields).sort()
  const canonical = [
    method,
    // All services but S3 encode the path twice.
    url.pathname.split('/').map(encodeURIComponent).join('/'),
    url.searchParams.toString(),
    ...names.map(name => `${name}:${fields[name]}`),
    '',
    names.join(';'),
    sha256(body),
  ].join('\n')
  const signature = signatureOf(canonical, signing, keys)
  const { host: _, ...sent } = fields
  const credential = `Credential=${keys.accessKeyId}/${signing.scope}`
  return {
    ...sent,
    authorization: `${SIGNING_ALGORITHM} ${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  }
}
