import { spawnSync } from 'node:child_process'
import { createHash, createHmac } from 'node:crypto'
import { type Answer, ask } from './http.ts'

export interface Keys {
  accessKeyId: string
  secretAccessKey: string
}

/**
 * A request of a client that signs as AWS's do (Signature Version 4), written apart from what the
 * cloud verifies with. The path must need no encoding.
 */
export function askSigned(
  address: string,
  { accessKeyId, secretAccessKey }: Keys,
  options: {
    method?: string
    path: string
    body?: string
    headers?: Record<string, string>
    service?: string
    signedAt?: Date
  },
): Promise<Answer> {
  const { method = 'GET', path, body = '', headers = {}, service = 'cloudfront' } = options
  const time = (options.signedAt ?? new Date()).toISOString().replace(/[-:]|\.\d+/g, '')
  const day = time.slice(0, 8)
  const { host } = new URL(address)
  const [pathname = '', query = ''] = path.split('?')
  const scope = `${day}/us-east-1/${service}/aws4_request`
  const toHash = `${method}\n${pathname}\n${query}\nhost:${host}\nx-amz-date:${time}\n\nhost;x-amz-date\n${sha256(body)}`
  let key: Buffer = Buffer.from(`AWS4${secretAccessKey}`)
  for (const part of scope.split('/')) key = hmac(key, part)
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(toHash)}`)
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=host;x-amz-date, Signature=${signature.toString('hex')}`
  return ask(address, path, {
    method,
    headers: { ...headers, 'x-amz-date': time, authorization },
    ...(body === '' ? {} : { body }),
  })
}

/** The command line of AWS is on the PATH. */
export function hasAwsCli(): boolean {
  return spawnSync('aws', ['--version']).status === 0
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
