import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fields } from '../../../../http/fields.ts'
import { parseInvalidation } from '../../../invalidation.ts'
import { keyOf, storedResponse } from '../../../testing/describe-response-store.ts'
import { Doorkeeper } from '../doorkeeper.ts'
import { EntryTable, type Hash, hashOf, type Place } from '../entry-table.ts'
import { decodeIndex, encodeIndexRecord, type IndexRecord } from '../index-log.ts'
import { Ledger } from '../ledger.ts'
import { decodeEntry, encodeEntry, sealEntry } from '../record.ts'

describe('a record', () => {
  const position = { store: 7, segment: 3, offset: 4096 }
  const variants = [
    storedResponse('first body', {
      fields: Fields.from([
        ['content-type', 'text/plain'],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ]),
      vary: [['accept', undefined]],
      tags: ['t'],
    }),
    storedResponse('', { status: 204 }),
  ]
  const encoded = encodeEntry(keyOf('/ä'), variants, 12)
  sealEntry(encoded, position)
  const bytes = Buffer.concat(encoded.buffers)

  test('says what was put in', () => {
    expect(bytes.byteLength).toBe(encoded.lengthBytes)
    expect(decodeEntry(bytes, position)).toEqual({ key: keyOf('/ä'), sequence: 12, variants })
  })

  test('cut off anywhere, or followed by anything, is none', () => {
    for (let length = 0; length < bytes.byteLength; length++) {
      expect(decodeEntry(bytes.subarray(0, length), position)).toBeUndefined()
    }
    expect(decodeEntry(Buffer.concat([bytes, Buffer.alloc(1)]), position)).toBeUndefined()
  })

  test('with any bit flipped is none', () => {
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      const damaged = Buffer.from(bytes)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      expect(decodeEntry(damaged, position)).toBeUndefined()
    }
  })

  test('torn where the system writes in pages, or of another place or cache, is none', () => {
    for (let at = 1; at < bytes.byteLength; at++) {
      const torn = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(bytes.byteLength - at)])
      if (!torn.equals(bytes)) expect(decodeEntry(torn, position)).toBeUndefined()
    }
    for (const other of [{ store: 8 }, { segment: 4 }, { offset: 0 }]) {
      expect(decodeEntry(bytes, { ...position, ...other })).toBeUndefined()
    }
  })
})

describe('an index', () => {
  const records: IndexRecord[] = [
    { kind: 'gone', hash: { low: 1, high: 4_294_967_295 } },
    {
      kind: 'entry',
      hash: { low: 2, high: 3 },
      path: 4,
      offset: 5,
      lengthBytes: 6,
      writtenMs: 1_700_000_000_000,
      sequence: 8.5,
      name: { project: 'p', path: '/ü', tags: ['a', 'b'] },
    },
    { kind: 'path-gone', path: 9 },
  ]
  const bytes = Buffer.concat(records.map(encodeIndexRecord))
  const decode = (index: Buffer) => {
    const found: IndexRecord[] = []
    const reader = decodeIndex(index)
    for (;;) {
      const { done, value } = reader.next()
      if (done === true) return { found, isSound: value }
      found.push(value)
    }
  }

  test('says what was put in', () => {
    expect(decode(bytes)).toEqual({ found: records, isSound: true })
  })

  test('cut off or damaged gives the records before, and says so', () => {
    const ends = [0, ...records.map(record => encodeIndexRecord(record).byteLength)]
    const starts = ends.map((_, index) => ends.slice(0, index + 1).reduce((a, b) => a + b, 0))
    for (let length = 0; length < bytes.byteLength; length++) {
      const { found, isSound } = decode(bytes.subarray(0, length))
      expect(isSound).toBe(starts.includes(length))
      expect(found).toEqual(records.slice(0, found.length))
    }
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      const damaged = Buffer.from(bytes)
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      const { found, isSound } = decode(damaged)
      expect(isSound).toBe(false)
      expect(found).toEqual(records.slice(0, found.length))
    }
  })
})

test('a table of entries does what a map does', () => {
  // Few homes for many hashes, so that they stand in each other's way.
  const hash = fc.record({ low: fc.nat(5), high: fc.nat(30) })
  const operation = fc.oneof(
    fc.record({ kind: fc.constant('set'), hash, path: fc.nat(3) }),
    fc.record({ kind: fc.constant('remove'), hash, path: fc.nat(3) }),
  )
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), operations => {
      const table = new EntryTable()
      const model = new Map<string, Hash & Place & { path: number }>()
      for (const [index, { kind, hash, path }] of operations.entries()) {
        const name = `${hash.low}.${hash.high}`
        const place = { segment: (index % 3) + 1, offset: index, length: 1 }
        const before = model.get(name)
        const { offset } =
          (kind === 'set' ? table.set(hash, path, place) : table.remove(hash)) ?? {}
        expect(offset).toBe(before?.offset)
        if (kind === 'set') model.set(name, { ...hash, ...place, path })
        else model.delete(name)
      }
      const entries = [...model.values()]
      expect(table.size).toBe(entries.length)
      for (const entry of entries) expect(table.get(entry)?.offset).toBe(entry.offset)
      for (const path of [0, 1, 2, 3]) {
        const ofPath = entries.filter(entry => entry.path === path)
        expect(table.ofPath(path)).toHaveLength(ofPath.length)
        expect(table.mayHavePath(path)).toBe(ofPath.length > 0)
      }
      for (const segment of [1, 2, 3]) {
        const offsets = entries.filter(entry => entry.segment === segment)
        expect(table.ofSegment(segment).map(({ offset }) => offset)).toEqual(
          offsets.map(({ offset }) => offset).sort((a, b) => a - b),
        )
      }
    }),
    { numRuns: 200 },
  )
})

test('a table of entries grows, and takes less than 80 bytes an entry', () => {
  const table = new EntryTable()
  const hashes = Array.from({ length: 20_000 }, (_, index) => hashOf('seed', String(index)))
  for (const [offset, hash] of hashes.entries()) {
    table.set(hash, offset, { segment: 1, offset, length: 1 })
  }
  expect(hashes.every((hash, offset) => table.get(hash)?.offset === offset)).toBe(true)
  expect(table.memoryBytes / table.size).toBeLessThan(80)
})

describe('the ledger of invalidations', () => {
  const entry = (path: string, tags: string[] = [], project = 'p') => ({ project, path, tags })

  test('makes old what an invalidation names that came later, and nothing else', () => {
    const ledger = new Ledger()
    ledger.add('p', parseInvalidation(['/a', '/b/*'], ['t']), 5)
    ledger.reach(9)
    for (const named of [entry('/a'), entry('/b/'), entry('/b/c'), entry('/x', ['s', 't'])]) {
      expect(ledger.covers(named, 4)).toBe(true)
      expect(ledger.covers(named, 5)).toBe(false)
      expect(ledger.covers({ ...named, project: 'q' }, 4)).toBe(false)
    }
    for (const other of [entry('/'), entry('/a/'), entry('/b'), entry('/x', ['s'])]) {
      expect(ledger.covers(other, 4)).toBe(false)
    }
  })

  test('finds one prefix among thousands', () => {
    const ledger = new Ledger()
    ledger.add('p', parseInvalidation(Array.from({ length: 5_000 }, (_, i) => `/${i}/*`)), 1)
    expect(ledger.covers(entry('/4999/x'), 0)).toBe(true)
    expect(ledger.covers(entry('/5000/x'), 0)).toBe(false)
  })

  test('without a number each comes after the one before, and before the next that has one', () => {
    const ledger = new Ledger()
    ledger.add('p', parseInvalidation(['/a']), 1)
    const before = ledger.last
    ledger.add('p', parseInvalidation(['/b']))
    const between = ledger.last
    expect(ledger.covers(entry('/b'), before)).toBe(true)
    expect(ledger.covers(entry('/b'), between)).toBe(false)
    ledger.add('p', parseInvalidation(['/b']), 2)
    expect(ledger.covers(entry('/b'), between)).toBe(true)
  })

  test('drops what is older than it remembers, and what knows more than there was', () => {
    const ledger = new Ledger()
    ledger.raiseFloor(5)
    expect(ledger.covers(entry('/a'), 4)).toBe(true)
    expect(ledger.covers(entry('/a'), 5)).toBe(false)
    expect(ledger.covers(entry('/a'), 6)).toBe(true)
    for (let i = 0; i < 5; i++) {
      const patterns = Array.from({ length: 5_000 }, (_, j) => `/${i}/${j}`)
      ledger.add('p', parseInvalidation(patterns), 6 + i)
    }
    expect(ledger.covers(entry('/not-named'), 5)).toBe(true)
    expect(ledger.covers(entry('/not-named'), 10)).toBe(false)
  })
})

test('a doorkeeper knows who came by lately, hardly anybody else, and forgets in time', () => {
  const doorkeeper = new Doorkeeper()
  const hash = (index: number) => hashOf('seed', String(index))
  let unknown = 0
  for (let i = 0; i < 50_000; i++) if (!doorkeeper.knows(hash(i))) unknown++
  expect(unknown).toBeGreaterThan(49_000)
  for (let i = 0; i < 50_000; i += 100) expect(doorkeeper.knows(hash(i))).toBe(true)
  for (let i = 50_000; i < 250_000; i++) doorkeeper.knows(hash(i))
  const remembered = Array.from({ length: 1_000 }, (_, i) => doorkeeper.knows(hash(i)))
  expect(remembered.filter(isKnown => isKnown).length).toBeLessThan(100)
})
