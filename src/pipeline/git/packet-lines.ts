import type { Readable } from 'node:stream'
import { MokaError } from '../../shared/errors.ts'

// Git's framing: four hexadecimal digits of length, themselves included, then the payload; `0000`
// is a flush (gitprotocol-common, "pkt-line Format").

/** What a push wants of one ref; an absent object is forty (or sixty-four) zeros. */
export interface PushCommand {
  from: string
  to: string
  ref: string
}

/** What stands before the pack in the body of a push. */
export interface PushHead {
  commands: PushCommand[]
  capabilities: string[]
  /** The payloads as they came, one character an octet: commands and `shallow` lines. */
  lines: string[]
}

/** More than 10,000 refs in one push. */
const MAX_HEAD_BYTES = 2 * 1024 * 1024
/** side-band-64k: 65520 octets less the length's four and the band's one. */
const MAX_BAND_BYTES = 65_515

/**
 * Reads the commands of a push; the pack is left in the stream. Throws `PIPELINE_BAD_REQUEST` for
 * what is no push.
 */
export async function readPushHead(body: Readable): Promise<PushHead> {
  let bytes: Buffer = Buffer.alloc(0)
  let at = 0
  const lines: string[] = []
  for (;;) {
    for (let line = lineAt(bytes, at); line !== undefined; line = lineAt(bytes, at)) {
      at = line.end
      if (line.payload !== undefined) {
        lines.push(line.payload)
        continue
      }
      if (at < bytes.length) body.unshift(bytes.subarray(at))
      return parseHead(lines)
    }
    if (bytes.length > MAX_HEAD_BYTES) throw badRequest('it names too many refs')
    const chunk = await nextChunk(body)
    if (chunk === undefined) throw badRequest('it ends within its list of refs')
    bytes = Buffer.concat([bytes, chunk])
  }
}

/** The head again, with other commands in place of its own, in their order. */
export function encodePushHead(head: PushHead, commands: readonly PushCommand[]): Buffer {
  let next = 0
  const packets = head.lines.map(line => {
    if (line.startsWith('shallow ')) return packet(line)
    const { from } = commands[next++]!
    return packet(from + line.slice(from.length))
  })
  return Buffer.concat([...packets, Buffer.from('0000')])
}

/** Text for the terminal of whoever pushes, on the band for that (gitprotocol-pack, "side-band"). */
export function encodeProgress(text: string): Buffer {
  const bytes = Buffer.from(text).subarray(0, MAX_BAND_BYTES)
  return packet(Buffer.concat([Buffer.of(2), bytes]).toString('latin1'))
}

/** One packet of text, such as the line before an advertisement. */
export function packet(payload: string): Buffer {
  const length = (payload.length + 4).toString(16).padStart(4, '0')
  return Buffer.from(length + payload, 'latin1')
}

/** Undefined while it is not there as a whole; without a payload it is the flush. */
function lineAt(bytes: Buffer, at: number): { payload?: string; end: number } | undefined {
  if (bytes.length < at + 4) return undefined
  const digits = bytes.toString('latin1', at, at + 4)
  const length = /^[0-9a-f]{4}$/i.test(digits) ? Number.parseInt(digits, 16) : -1
  if (length === 0) return { end: at + 4 }
  if (length < 4) throw badRequest('its framing is not git’s')
  if (bytes.length < at + length) return undefined
  return { payload: bytes.toString('latin1', at + 4, at + length), end: at + length }
}

function parseHead(lines: string[]): PushHead {
  const commands: PushCommand[] = []
  let capabilities: string[] = []
  for (const line of lines) {
    if (line.startsWith('shallow ')) continue
    const [command = '', list] = line.replace(/\n$/, '').split('\0')
    if (list !== undefined) capabilities = list.trim().split(/\s+/)
    const [, from, to, name] = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) (.+)$/.exec(command) ?? []
    if (from === undefined || to === undefined || name === undefined) {
      throw badRequest('its list of refs is not git’s')
    }
    const ref = Buffer.from(name, 'latin1').toString()
    // Git itself looks only after the hook, when it is a path of ours already.
    if (!isRefName(ref)) throw badRequest(`${JSON.stringify(ref)} is no name of a ref`)
    commands.push({ from, to, ref })
  }
  return { commands, capabilities, lines }
}

/** As git-check-ref-format(1) has it; `refs/` comes first. */
export function isRefName(text: string): boolean {
  const parts = text.split('/')
  if (parts[0] !== 'refs' || parts.length < 2 || text.endsWith('.') || text.includes('@{')) {
    return false
  }
  return parts.every(
    part =>
      /^[^.\0-\x20\x7f~^:?*[\\][^\0-\x20\x7f~^:?*[\\]*$/.test(part) && !/\.\.|\.lock$/.test(part),
  )
}

/** Undefined at the end. Leaves the stream paused. */
function nextChunk(body: Readable): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const take = () => {
      const chunk = body.read() as Buffer | null
      if (chunk !== null) settle(() => resolve(chunk))
      else if (body.readableEnded) settle(() => resolve(undefined))
    }
    const end = () => settle(() => resolve(undefined))
    const fail = (error: Error) => settle(() => reject(error))
    const close = () => settle(() => reject(badRequest('it was cut off')))
    const settle = (done: () => void) => {
      body.off('readable', take).off('end', end).off('error', fail).off('close', close)
      done()
    }
    if (body.readableEnded) return resolve(undefined)
    if (body.destroyed) return reject(badRequest('it was cut off'))
    body.on('readable', take).on('end', end).on('error', fail).on('close', close)
    take()
  })
}

function badRequest(reason: string): MokaError {
  return new MokaError('PIPELINE_BAD_REQUEST', `cannot take a push: ${reason}`)
}
