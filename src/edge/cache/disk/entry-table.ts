import { createHash } from 'node:crypto'

/** 64 bits of a text, unforeseeable for who does not know the seed. */
export interface Hash {
  low: number
  high: number
}

export function hashOf(seed: string, text: string): Hash {
  const digest = createHash('sha256').update(seed).update(text).digest()
  return { low: digest.readUInt32LE(0), high: digest.readUInt32LE(4) }
}

/** Where an entry lies. Segments count from 1. */
export interface Place {
  segment: number
  offset: number
  length: number
}

const FIRST_SLOTS = 1024
/** Fuller than that, a search of the slots (linear probing) grows long. */
const MAX_LOAD = 0.7
/** A bucket of paths that was full once is never counted down: it then says "maybe" for ever. */
const FULL_BUCKET = 255

/**
 * Which entries a disk holds and where, without their names: a table of numbers, 25 bytes a slot
 * and 2 for paths, so that a million entries take 40 to 77 MB of memory.
 */
export class EntryTable {
  #size = 0
  #mask = FIRST_SLOTS - 1
  #columns = createColumns(FIRST_SLOTS)

  get size(): number {
    return this.#size
  }

  get memoryBytes(): number {
    return Object.values(this.#columns).reduce((sum, column) => sum + column.byteLength, 0)
  }

  has(hash: Hash): boolean {
    return this.#find(hash) >= 0
  }

  get(hash: Hash): Place | undefined {
    const slot = this.#find(hash)
    return slot < 0 ? undefined : this.#place(slot)
  }

  /** Marks an entry as used since its segment was written. */
  touch(hash: Hash): void {
    const slot = this.#find(hash)
    if (slot >= 0) this.#columns.used[slot] = 1
  }

  /** Adds an entry, or moves it; returns where it lay before. */
  set(hash: Hash, path: number, place: Place): Place | undefined {
    const before = this.remove(hash)
    if (this.#size + 1 > (this.#mask + 1) * MAX_LOAD) this.#grow()
    let slot = hash.low & this.#mask
    while (this.#columns.segment[slot] !== 0) slot = (slot + 1) & this.#mask
    this.#write(slot, hash, path, place)
    this.#size++
    this.#countPath(path, 1)
    return before
  }

  /** Returns where it lay. */
  remove(hash: Hash): Place | undefined {
    const slot = this.#find(hash)
    if (slot < 0) return undefined
    const place = this.#place(slot)
    this.#clear(slot)
    return place
  }

  /** False: nothing of this path is here. True: maybe. */
  mayHavePath(path: number): boolean {
    return this.#columns.paths[path & (this.#columns.paths.length - 1)] !== 0
  }

  /** Hashes of all entries of a path. It looks at every slot: about 1 ms for a million. */
  ofPath(path: number): Hash[] {
    const { segment, paths: _, path: column, low, high } = this.#columns
    const found: Hash[] = []
    for (let slot = 0; slot <= this.#mask; slot++) {
      if (column[slot] === path && segment[slot] !== 0) {
        found.push({ low: low[slot]!, high: high[slot]! })
      }
    }
    return found
  }

  /** All entries of a segment, in the order in which they lie there. */
  ofSegment(number: number): (Hash & Place & { path: number; wasUsed: boolean })[] {
    const { segment, low, high, used, path } = this.#columns
    const found = []
    for (let slot = 0; slot <= this.#mask; slot++) {
      if (segment[slot] !== number) continue
      found.push({
        ...this.#place(slot),
        low: low[slot]!,
        high: high[slot]!,
        path: path[slot]!,
        wasUsed: used[slot] === 1,
      })
    }
    return found.sort((a, b) => a.offset - b.offset)
  }

  clear(): void {
    this.#size = 0
    this.#mask = FIRST_SLOTS - 1
    this.#columns = createColumns(FIRST_SLOTS)
  }

  #find({ low, high }: Hash): number {
    const columns = this.#columns
    let slot = low & this.#mask
    while (columns.segment[slot] !== 0) {
      if (columns.low[slot] === low && columns.high[slot] === high) return slot
      slot = (slot + 1) & this.#mask
    }
    return -1
  }

  #place(slot: number): Place {
    const { segment, offset, length } = this.#columns
    return { segment: segment[slot]!, offset: offset[slot]!, length: length[slot]! }
  }

  #write(slot: number, hash: Hash, path: number, place: Place): void {
    const columns = this.#columns
    columns.low[slot] = hash.low
    columns.high[slot] = hash.high
    columns.path[slot] = path
    columns.segment[slot] = place.segment
    columns.offset[slot] = place.offset
    columns.length[slot] = place.length
    columns.used[slot] = 0
  }

  /** Takes an entry out and closes the gap, so that those that were put off by it are found. */
  #clear(slot: number): void {
    const { segment, low, path } = this.#columns
    this.#size--
    this.#countPath(path[slot]!, -1)
    let gap = slot
    let next = (slot + 1) & this.#mask
    while (segment[next] !== 0) {
      const home = low[next]! & this.#mask
      // It may move back to the gap where its home does not lie between the two.
      if (((next - home) & this.#mask) >= ((next - gap) & this.#mask)) {
        for (const column of slotColumns(this.#columns)) column[gap] = column[next]!
        gap = next
      }
      next = (next + 1) & this.#mask
    }
    segment[gap] = 0
  }

  #countPath(path: number, change: 1 | -1): void {
    const { paths } = this.#columns
    const bucket = path & (paths.length - 1)
    if (paths[bucket] !== FULL_BUCKET) paths[bucket] = paths[bucket]! + change
  }

  #grow(): void {
    const old = this.#columns
    const slots = this.#mask + 1
    this.#mask = slots * 2 - 1
    this.#columns = createColumns(slots * 2)
    for (let from = 0; from < slots; from++) {
      if (old.segment[from] === 0) continue
      let to = old.low[from]! & this.#mask
      while (this.#columns.segment[to] !== 0) to = (to + 1) & this.#mask
      const sources = slotColumns(old)
      for (const [index, column] of slotColumns(this.#columns).entries()) {
        column[to] = sources[index]![from]!
      }
      this.#countPath(old.path[from]!, 1)
    }
  }
}

type Columns = ReturnType<typeof createColumns>

function createColumns(slots: number) {
  return {
    low: new Uint32Array(slots),
    high: new Uint32Array(slots),
    path: new Uint32Array(slots),
    /** 0: an empty slot. */
    segment: new Uint32Array(slots),
    offset: new Uint32Array(slots),
    length: new Uint32Array(slots),
    used: new Uint8Array(slots),
    /** How many entries have a path with these last bits. */
    paths: new Uint8Array(slots * 2),
  }
}

function slotColumns(columns: Columns): (Uint32Array | Uint8Array)[] {
  const { low, high, path, segment, offset, length, used } = columns
  return [low, high, path, segment, offset, length, used]
}
