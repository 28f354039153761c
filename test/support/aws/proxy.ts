import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Answer, Refused, refusal } from './answer.ts'
import type { Faults } from './faults.ts'
import { identify, type Operation, scopeOf } from './operations.ts'

/** Answers what moto lacks; undefined leaves it to moto. */
export type StandIn = (
  operation: Operation,
  asked: IncomingMessage,
  body: Buffer,
) => Promise<Answer | undefined>

/** One endpoint for all services: faults first, then the stand-in, then moto behind it. */
export async function startProxy(
  moto: string,
  faults: Faults,
  standIn: StandIn,
): Promise<{ endpoint: string; close(): Promise<void> }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const server = createServer((asked, reply) => {
    serve(asked, reply).catch(error => reply.destroy(error))
  })

  async function serve(asked: IncomingMessage, reply: ServerResponse): Promise<void> {
    const head = { method: asked.method ?? '', url: asked.url ?? '', headers: asked.headers }
    const { service } = scopeOf(head)
    // Objects go through as they come; all else is small, and its body may name the operation.
    const body = service === 's3' ? undefined : await readAll(asked)
    const form = String(asked.headers['content-type'] ?? '').includes('form') ? String(body) : ''
    const operation = identify(head, form)
    const effect = faults.meet(operation)
    if (effect?.kind === 'cut') return void asked.socket.destroy()
    if (effect?.kind === 'hold') {
      effect.reached()
      await effect.released
    }
    const isJson = /json/.test(String(asked.headers['content-type'] ?? ''))
    try {
      if (effect?.kind === 'refuse') throw effect.error
      await faults.before?.(operation)
      const answer = await standIn(operation, asked, body ?? Buffer.alloc(0))
      if (effect?.kind === 'lose' && answer !== undefined) return void asked.socket.destroy()
      if (answer !== undefined) return write(reply, answer, asked)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return write(reply, refusal(service, isJson, error), asked)
    }
    forward(moto, agent, asked, body, reply, effect?.kind === 'lose')
  }

  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections()
      agent.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

function forward(
  moto: string,
  agent: Agent,
  asked: IncomingMessage,
  body: Buffer | undefined,
  reply: ServerResponse,
  isLost: boolean,
): void {
  const headers = { ...asked.headers }
  if (body !== undefined) {
    delete headers['transfer-encoding']
    if (body.length > 0) headers['content-length'] = String(body.length)
  }
  // moto waits for no such question, and would answer nothing to it.
  delete headers.expect
  const options = { method: asked.method, path: asked.url, headers, agent }
  const out = request(moto, options, answer => {
    if (isLost) {
      answer.resume()
      answer.once('end', () => asked.socket.destroy())
      return
    }
    reply.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
    answer.pipe(reply)
    answer.once('error', error => reply.destroy(error))
  })
  out.once('error', error => reply.destroy(error))
  reply.once('close', () => {
    if (!reply.writableEnded) out.destroy()
  })
  if (body === undefined) asked.pipe(out)
  else out.end(body)
}

function write(reply: ServerResponse, answer: Answer, asked: IncomingMessage): void {
  // What is left of a body would be read as the next request.
  asked.resume()
  const body = answer.body ?? ''
  const length = { 'content-length': String(Buffer.byteLength(body)) }
  reply.writeHead(
    answer.status,
    answer.status === 204 ? answer.headers : { ...answer.headers, ...length },
  )
  reply.end(asked.method === 'HEAD' ? '' : body)
}

async function readAll(asked: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of asked) parts.push(part)
  return Buffer.concat(parts)
}
