import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sdk } from '../sdk/sdk.ts'
import { Renewed } from './renewed.ts'

let server: Server
let asked: number
/** Says of each request, by its number, whether its connection ends without an answer. */
let isCut: (number: number) => boolean

beforeEach(async () => {
  asked = 0
  isCut = () => false
  server = createServer((request, response) => {
    request.resume().on('end', () => {
      if (isCut(asked++)) request.socket.destroy()
      else response.writeHead(200, { etag: '"a"' }).end()
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

async function openClient(maxAttempts: number) {
  const { S3Client, PutObjectCommand } = await sdk.s3()
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const clients: InstanceType<typeof S3Client>[] = []
  const renewed = new Renewed(() => {
    const client = new S3Client({
      ...{ endpoint, region: 'eu-central-1', forcePathStyle: true, maxAttempts },
      credentials: { accessKeyId: 'AKIATEST', secretAccessKey: 'secret' },
      requestChecksumCalculation: 'WHEN_REQUIRED',
    })
    clients.push(client)
    return client
  })
  const put = (Key: string) =>
    renewed.run(client => client.send(new PutObjectCommand({ Bucket: 'b', Key, Body: 'x' })))
  return { put, clients }
}

describe('Renewed', () => {
  it('goes on when as many connections end at once as an upload has', async () => {
    const { put, clients } = await openClient(8)
    isCut = number => number >= 64 && number < 64 + 130
    const workers = Array.from({ length: 64 }, async (_, worker) => {
      for (let file = 0; file < 4; file++) await put(`${worker}-${file}`)
    })
    await Promise.all(workers)
    expect(asked).toBe(64 * 4 + 130)
    // One for all that were given up together, and not one for each.
    expect(clients.length).toBeGreaterThan(1)
    expect(clients.length).toBeLessThan(16)
  })

  it('gives up what was tried as often as it may be', async () => {
    const { put, clients } = await openClient(2)
    isCut = () => true
    await expect(put('a')).rejects.toMatchObject({ code: 'ECONNRESET' })
    expect([asked, clients.length]).toEqual([2, 1])
  })
})
