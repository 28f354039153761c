import { createHash, createHmac } from 'node:crypto'
import type { AwsKeys } from './iam-token.ts'

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
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`
  const fields: Record<string, string> = {
    host: url.host,
    'x-amz-content-sha256': sha256(body),
    'x-amz-date': time,
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
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
  const key = scope
    .split('/')
    .reduce(
      (secret: string | Buffer, part) => createHmac('sha256', secret).update(part).digest(),
      `AWS4${keys.secretAccessKey}`,
    )
  const signature = createHmac('sha256', key).update(text).digest('hex')
  const { host: _, ...sent } = fields
  const credential = `Credential=${keys.accessKeyId}/${scope}`
  return {
    ...sent,
    authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
