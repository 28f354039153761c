import type { ReadStream } from 'node:tty'
import { MokaError } from '../../../shared/errors.ts'

/** More is a mistake: no secret is as long. */
const MAX_BYTES = 1024 * 1024
const INTERRUPT = '\x03'
const END = '\x04'
const BACKSPACE = /[\b\x7f]/

type Input = NodeJS.ReadableStream & Partial<Pick<ReadStream, 'isTTY' | 'setRawMode'>>

/**
 * A value that is on no command line and in no history: typed on a terminal without being shown, else
 * all of the input, without its last line end.
 */
export function readValue(
  name: string,
  input: Input = process.stdin,
  output: Pick<NodeJS.WritableStream, 'write'> = process.stderr,
): Promise<string> {
  return input.isTTY === true ? readTyped(name, input, output) : readAll(name, input)
}

async function readAll(name: string, input: Input): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of input) {
    sizeBytes += chunk.length
    if (sizeBytes > MAX_BYTES) throw unusable(name, `is longer than ${MAX_BYTES} bytes`)
    chunks.push(Buffer.from(chunk))
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
    return text.replace(/\r?\n$/, '')
  } catch {
    throw unusable(
      name,
      'is not text in UTF-8',
      `base64 makes it text: base64 < FILE | moka secrets set ${name}`,
    )
  }
}

/** In raw mode the terminal shows nothing, and hands over line ends and Ctrl-C as characters. */
async function readTyped(
  name: string,
  input: Input,
  output: Pick<NodeJS.WritableStream, 'write'>,
): Promise<string> {
  output.write(`value of ${name} (it is not shown): `)
  input.setRawMode?.(true)
  input.setEncoding('utf8')
  let value = ''
  try {
    for await (const text of input) {
      for (const character of String(text)) {
        if (character === INTERRUPT) {
          throw new MokaError('CLI_INTERRUPTED', `secret "${name}" was not set: interrupted`)
        }
        if (character === '\r' || character === '\n' || character === END) return value
        value = BACKSPACE.test(character)
          ? Array.from(value).slice(0, -1).join('')
          : value + character
      }
    }
    return value
  } finally {
    input.setRawMode?.(false)
    output.write('\n')
  }
}

function unusable(name: string, reason: string, hint?: string): MokaError {
  const message = `cannot set secret "${name}": what came in by standard input ${reason}`
  return new MokaError('CLI_BAD_SECRET', message, hint === undefined ? {} : { hint })
}
