import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Masker } from './masker.ts'

const mask = (text: string, ...values: string[]) => new Masker(values).mask(text)

function inPieces(text: string, masker: Masker, sizes: readonly number[]): string {
  const stream = masker.stream()
  let given = ''
  let at = 0
  for (let piece = 0; at < text.length; piece++) {
    const size = sizes[piece % sizes.length]!
    given += stream.push(text.slice(at, at + size))
    at += size
  }
  return given + stream.end()
}

describe('a secret in a text', () => {
  it('is masked wherever it stands, and nothing else is', () => {
    expect(mask('key=sk_live_1 and sk_live_1.', 'sk_live_1')).toBe('key=*** and ***.')
    expect(mask('sk_live_2 sk_live_', 'sk_live_1')).toBe('sk_live_2 sk_live_')
  })

  it('is masked in base64, whatever stands before and after it', () => {
    const secret = 'p4ss/w?rd~~>>'
    for (const before of ['', 'u:', 'me:', 'user:']) {
      for (const encoding of ['base64', 'base64url'] as const) {
        const text = Buffer.from(`${before}${secret}`).toString(encoding)
        const left = mask(text, secret)
        expect(left).toContain('***')
        expect(left.replace('***', '').length, left).toBeLessThanOrEqual(10)
      }
    }
  })

  it('is masked in a query, in a form and in JSON', () => {
    const secret = 'a "b"\n& ü/c'
    expect(mask(`?k=${encodeURIComponent(secret)}&x`, secret)).toBe('?k=***&x')
    expect(mask(`?k=${encodeURIComponent(secret).toLowerCase()}&x`, secret)).toBe('?k=***&x')
    expect(mask(`k=${new URLSearchParams({ v: 'long enough' })}`, 'long enough')).toBe('k=v=***')
    expect(mask(JSON.stringify({ secret }), secret)).toBe('{"secret":"***"}')
  })

  it('is masked line by line where it has several', () => {
    const key = '-----BEGIN KEY-----\nMIIEvQIBADAN\nBgkqhkiG9w0B\n-----END KEY-----\n'
    expect(mask('MIIEvQIBADAN', key)).toBe('***')
    expect(mask('-----BEGIN KEY-----', key)).toBe('-----BEGIN KEY-----')
  })

  it('is not looked for when it is a short word', () => {
    expect(mask('true and 12345', 'true', '12345')).toBe('true and 12345')
  })

  it('leaves nothing of two that overlap', () => {
    expect(mask('xabcdefghijx', 'abcdef', 'efghij')).toBe('x***x')
    expect(mask('xabcdefghx', 'abcdef', 'abcdefgh')).toBe('x***x')
  })
})

describe('a text that comes in pieces', () => {
  it('is masked as the whole would be, however it is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 200 })
    const secret = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 6, maxLength: 9 })
    fc.assert(
      fc.property(
        fc.array(secret, { maxLength: 4 }),
        fc.array(fc.oneof(letters, fc.integer({ min: 0, max: 3 })), { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 }),
        (secrets, parts, sizes) => {
          const text = parts
            .map(part => (typeof part === 'string' ? part : (secrets[part] ?? '')))
            .join('')
          const masker = new Masker(secrets)
          expect(inPieces(text, masker, sizes)).toBe(masker.mask(text))
        },
      ),
      { numRuns: 500 },
    )
  })

  it('goes on at once where no secret can have begun', () => {
    const stream = new Masker(['sk_live_1']).stream()
    expect(stream.push('building …')).toBe('building …')
    expect(stream.push(' key sk_l')).toBe(' key ')
    expect(stream.push('ive_1!')).toBe('***!')
  })

  it('holds no more back than a secret is long, even when one follows another for ever', () => {
    const stream = new Masker(['aaaaaaa']).stream()
    let given = ''
    for (let piece = 0; piece < 1000; piece++) given += stream.push('aaaa')
    expect(`${given}${stream.push('b')}${stream.end()}`).toBe('***b')
  })
})
