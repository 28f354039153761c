import { once } from 'node:events'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'

/** People who ask for one page, again and again, each on a connection that he keeps. */
export interface Visitors {
  /** Answers so far. */
  answered(): number
  /** Own ports of connections on which a request got no answer, or half of one. */
  readonly lost: number[]
  /** Answers that were not the page. */
  readonly wrong: string[]
  /** Resolves when each has had his last answer. */
  stop(): Promise<void>
}

const CONNECT_RETRY_MS = 5

/** Asks nothing twice: what fails is counted, and the next request has a new connection. */
export function startVisitors(options: {
  port: number
  host: string
  path: string
  body: string
  count: number
}): Visitors {
  const { port, host, path, body } = options
  const request = `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n\r\n`
  const lost: number[] = []
  const wrong: string[] = []
  let answered = 0
  let isStopped = false

  const visitOnce = async () => {
    const socket = createConnection({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    if (!isOpen) return pause(CONNECT_RETRY_MS)
    const { localPort } = socket
    const answers = readAnswers(socket)
    while (!isStopped && !socket.readableEnded && !socket.destroyed) {
      socket.write(request)
      const { value: answer } = await answers.next()
      if (answer === undefined) {
        lost.push(localPort!)
        break
      }
      answered++
      if (!answer.startsWith('HTTP/1.1 200 ') || !answer.endsWith(`\r\n\r\n${body}`)) {
        wrong.push(answer)
      }
      if (/\r\nconnection: close\r\n/i.test(answer)) break
    }
    socket.destroy()
  }
  const all = Array.from({ length: options.count }, async () => {
    while (!isStopped) await visitOnce()
  })
  return {
    answered: () => answered,
    lost,
    wrong,
    async stop() {
      isStopped = true
      await Promise.all(all)
    },
  }
}

/** Whole answers, by their Content-Length; ends where the connection does. */
async function* readAnswers(socket: Socket): AsyncGenerator<string, undefined> {
  let text = ''
  try {
    for await (const chunk of socket) {
      text += (chunk as Buffer).toString('latin1')
      const head = text.indexOf('\r\n\r\n') + 4
      if (head < 4) continue
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0)
      if (text.length < head + length) continue
      const answer = text.slice(0, head + length)
      text = text.slice(head + length)
      yield answer
    }
  } catch {
    // reset
  }
  return undefined
}

/** The peers' ports of the connections to `port` that a process holds. */
export async function peerPortsHeldBy(pid: number, port: number): Promise<Set<number>> {
  const held = await socketsOf(pid, port)
  return new Set(held.filter(({ peer }) => peer !== 0).map(({ peer }) => peer))
}

/** Whether a process accepts connections to `port`: it may have been started, and not be there yet. */
export async function acceptsOn(pid: number, port: number): Promise<boolean> {
  return (await socketsOf(pid, port)).some(({ peer }) => peer === 0)
}

/** The sockets of a process at a port of its own, by their peers' ports: 0 is one that listens. */
async function socketsOf(pid: number, port: number): Promise<{ peer: number }[]> {
  const held = new Set<string>()
  for (const descriptor of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
    if (inode !== undefined) held.add(inode)
  }
  const lines = (await readFile('/proc/net/tcp', 'latin1')).split('\n').slice(1)
  return lines.flatMap(line => {
    const [, local = '', remote = '', , , , , , , inode = ''] = line.trim().split(/\s+/)
    return portIn(local) === port && held.has(inode) ? [{ peer: portIn(remote) }] : []
  })
}

/** `0100007F:1F90`, as /proc/net/tcp has addresses. */
function portIn(address: string): number {
  return Number.parseInt(address.split(':')[1] ?? '', 16)
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
