import type { ReleaseFile, ReleaseManifest } from './manifest.ts'

/** A manifest's files by path, read one by one when they are asked for. */
export interface ManifestFiles {
  readonly size: number
  has(path: string): boolean
  get(path: string): ReleaseFile | undefined
  entries(): IterableIterator<[string, ReleaseFile]>
}

export interface IndexedManifest {
  /** All but the files. */
  head: Omit<ReleaseManifest, 'files'>
  files: ManifestFiles
}

/**
 * A manifest of which the files stay in the bytes they came in, for those who need few of many: a
 * tree of objects takes three times as much memory, and longer to make than all the rest of an
 * activation. `bytes` are those of `encodeManifest`, must not change, and are kept.
 */
export function indexManifest(bytes: Buffer): IndexedManifest {
  let files: IndexedFiles | undefined
  let filesStart = 0
  let filesEnd = 0
  eachMember(bytes, 0, (keyStart, keyEnd, valueStart) => {
    if (bytes.toString('latin1', keyStart, keyEnd) !== 'files') return skipValue(bytes, valueStart)
    const offsets: number[] = []
    filesStart = valueStart
    filesEnd = eachMember(bytes, valueStart, (start, _end, at) => {
      offsets.push(start)
      return skipValue(bytes, at)
    })
    files = new IndexedFiles(bytes, offsets)
    return filesEnd
  })
  if (files === undefined) throw new Error('a manifest without files')
  const rest = `${bytes.toString('utf8', 0, filesStart)}{}${bytes.toString('utf8', filesEnd)}`
  const { files: _none, ...head } = JSON.parse(rest) as ReleaseManifest
  return { head, files }
}

/** Where the keys begin, in a hash table with open addressing: eight to sixteen octets for each. */
class IndexedFiles implements ManifestFiles {
  readonly size: number
  readonly #bytes: Buffer
  /** Of each key; 0 is an empty place, since no key begins a manifest. */
  readonly #table: Uint32Array

  constructor(bytes: Buffer, offsets: readonly number[]) {
    this.#bytes = bytes
    this.size = offsets.length
    this.#table = new Uint32Array(2 ** Math.ceil(Math.log2(offsets.length * 2 + 1)))
    for (const offset of offsets) {
      let place = this.#placeOf(hashKey(bytes, offset))
      while (this.#table[place] !== 0) place = this.#placeOf(place + 1)
      this.#table[place] = offset
    }
  }

  has(path: string): boolean {
    return this.#find(path) !== 0
  }

  get(path: string): ReleaseFile | undefined {
    const valueStart = this.#find(path)
    return valueStart === 0 ? undefined : this.#read(valueStart)
  }

  *entries(): IterableIterator<[string, ReleaseFile]> {
    for (const offset of this.#table) {
      if (offset === 0) continue
      const end = skipString(this.#bytes, offset)
      const path = JSON.parse(`"${this.#bytes.toString('utf8', offset, end)}`) as string
      yield [path, this.#read(end + 1)]
    }
  }

  /** Where the value of a path begins, or 0. */
  #find(path: string): number {
    // As it stands in the manifest, with the quote at its end.
    const key = Buffer.from(JSON.stringify(path)).subarray(1)
    for (let place = hashKey(key, 0); ; place++) {
      const offset = this.#table[this.#placeOf(place)]!
      if (offset === 0) return 0
      const end = offset + key.length
      if (end > this.#bytes.length) continue
      if (this.#bytes.compare(key, 0, key.length, offset, end) === 0) return end + 1
    }
  }

  #read(valueStart: number): ReleaseFile {
    const end = skipValue(this.#bytes, valueStart)
    return JSON.parse(this.#bytes.toString('utf8', valueStart, end))
  }

  #placeOf(hash: number): number {
    return hash & (this.#table.length - 1)
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN = 0x7b
const CLOSE = 0x7d
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d

/** Called with a key between its quotes, and where its value begins; returns where that ends. */
type OnMember = (keyStart: number, keyEnd: number, valueStart: number) => number

/** Visits the members of an object without blanks between them; returns where it ends. */
function eachMember(bytes: Uint8Array, objectStart: number, onMember: OnMember): number {
  let at = objectStart + 1
  if (bytes[at] === CLOSE) return at + 1
  while (at < bytes.length) {
    const keyStart = at + 1
    const afterKey = skipString(bytes, keyStart)
    at = onMember(keyStart, afterKey - 1, afterKey + 1) + 1
    if (bytes[at - 1] === CLOSE) return at
  }
  throw new Error('a manifest ends within an object')
}

/** From the start of a value to its end. */
function skipValue(bytes: Uint8Array, start: number): number {
  let depth = 0
  let at = start
  while (at < bytes.length) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at = skipString(bytes, at + 1)
      if (depth === 0) return at
      continue
    }
    if (byte === CLOSE || byte === CLOSE_LIST) {
      if (depth === 0) return at
      depth--
      if (depth === 0) return at + 1
    } else if (byte === OPEN || byte === OPEN_LIST) depth++
    else if (byte === COMMA && depth === 0) return at
    at++
  }
  return at
}

/** From behind the quote that opens a string to behind the one that closes it. */
function skipString(bytes: Uint8Array, start: number): number {
  let at = start
  while (at < bytes.length) {
    const byte = bytes[at]
    if (byte === QUOTE) return at + 1
    at += byte === BACKSLASH ? 2 : 1
  }
  throw new Error('a manifest ends within a string')
}

/** FNV-1a over a key as it is escaped, up to the quote at its end. */
function hashKey(bytes: Uint8Array, start: number): number {
  let hash = 0x811c9dc5
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) break
    hash = Math.imul(hash ^ byte, 0x01000193)
    if (byte === BACKSLASH) hash = Math.imul(hash ^ bytes[++at]!, 0x01000193)
  }
  return (hash ^ (hash >>> 15)) >>> 0
}
