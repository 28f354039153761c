/**
 * Header or trailer fields: names compared without case, order and repetition kept (RFC 9110 §5).
 * Names are stored in lower case, as HTTP/2 sends them.
 */
export class Fields {
  readonly #values = new Map<string, string[]>()

  static from(entries: Iterable<readonly [string, string]>): Fields {
    const fields = new Fields()
    for (const [name, value] of entries) fields.append(name, value)
    return fields
  }

  /** Node's `rawHeaders`: name, value, name, value. */
  static fromRaw(raw: readonly string[]): Fields {
    const fields = new Fields()
    for (let i = 0; i + 1 < raw.length; i += 2) fields.append(raw[i]!, raw[i + 1]!)
    return fields
  }

  /** All lines of that name joined by ", " (RFC 9110 §5.2). Not for Set-Cookie. */
  get(name: string): string | undefined {
    const values = this.#values.get(name.toLowerCase())
    if (values === undefined) return undefined
    return values.length === 1 ? values[0] : values.join(', ')
  }

  lines(name: string): readonly string[] {
    return this.#values.get(name.toLowerCase()) ?? []
  }

  has(name: string): boolean {
    return this.#values.has(name.toLowerCase())
  }

  set(name: string, value: string): this {
    this.#values.set(name.toLowerCase(), [value])
    return this
  }

  append(name: string, value: string): this {
    const key = name.toLowerCase()
    const values = this.#values.get(key)
    if (values === undefined) this.#values.set(key, [value])
    else values.push(value)
    return this
  }

  delete(name: string): this {
    this.#values.delete(name.toLowerCase())
    return this
  }

  /** Lines of all names. */
  get lineCount(): number {
    let count = 0
    for (const values of this.#values.values()) count += values.length
    return count
  }

  names(): IterableIterator<string> {
    return this.#values.keys()
  }

  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (const [name, values] of this.#values) for (const value of values) yield [name, value]
  }

  clone(): Fields {
    const copy = new Fields()
    for (const [name, values] of this.#values) copy.#values.set(name, [...values])
    return copy
  }

  /** Name, value, name, value: what `writeHead` and `request` of node:http take. */
  toRaw(): string[] {
    const raw: string[] = []
    for (const [name, value] of this) raw.push(name, value)
    return raw
  }
}
