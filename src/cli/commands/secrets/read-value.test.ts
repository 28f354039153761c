import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { readValue } from './read-value.ts'

function typed(...pieces: string[]) {
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    isRaw: false,
    setRawMode(isRaw: boolean) {
      input.isRaw = isRaw
      return input as never
    },
  })
  for (const piece of pieces) input.write(piece)
  let shown = ''
  const output = {
    write(text: string | Uint8Array) {
      shown += text
      return true
    },
  }
  return { input, shown: () => shown, value: readValue('KEY', input, output) }
}

function given(...pieces: (string | Buffer)[]): Promise<string> {
  const input = new PassThrough()
  for (const piece of pieces) input.write(piece)
  input.end()
  return readValue('KEY', input)
}

describe('a value that is typed', () => {
  it('is not shown, and ends with the line', async () => {
    const { value, shown, input } = typed('sk_', 'live\x7f\x7fved', '\r', 'more')
    expect(await value).toBe('sk_lived')
    expect(shown()).toBe('value of KEY (it is not shown): \n')
    expect(input.isRaw).toBe(false)
  })

  it('is given up with Ctrl-C, and the terminal is as it was', async () => {
    const { value, input } = typed('sk_\x03')
    await expect(value).rejects.toMatchObject({ code: 'CLI_INTERRUPTED' })
    expect(input.isRaw).toBe(false)
  })
})

describe('a value from standard input', () => {
  it('is all of it, but for the line end that echo adds', async () => {
    expect(await given('sk_live\n')).toBe('sk_live')
    expect(await given('two\nlines\r\n')).toBe('two\nlines')
    expect(await given(Buffer.from([0xc3]), Buffer.from([0xbc]))).toBe('ü')
  })

  it('is no bytes that are not text', async () => {
    await expect(given(Buffer.from([0xff, 0xfe]))).rejects.toMatchObject({
      hint: expect.stringContaining('base64'),
    })
  })
})
