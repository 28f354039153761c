/** Lines longer than this are cut into pieces. */
export const MAX_LINE_BYTES = 256 * 1024

const NEWLINE = 10

/** Cuts a byte stream into lines of UTF-8 text. `\r\n` counts as one line end. */
export class LineSplitter {
  readonly #onLine: (line: string) => void
  #rest: Buffer[] = []
  #restBytes = 0

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(chunk: Buffer): void {
    let start = 0
    while (start < chunk.length) {
      const room = MAX_LINE_BYTES - this.#restBytes
      const newline = chunk.indexOf(NEWLINE, start)
      const isWhole = newline !== -1 && newline - start <= room
      const end = isWhole ? newline : Math.min(chunk.length, start + room)
      this.#rest.push(chunk.subarray(start, end))
      this.#restBytes += end - start
      start = isWhole ? end + 1 : end
      if (isWhole || this.#restBytes >= MAX_LINE_BYTES) this.#emit()
    }
  }

  /** Hands out what came without a line end. */
  flush(): void {
    if (this.#restBytes > 0) this.#emit()
  }

  #emit(): void {
    const line = Buffer.concat(this.#rest).toString('utf8')
    this.#rest = []
    this.#restBytes = 0
    this.#onLine(line.endsWith('\r') ? line.slice(0, -1) : line)
  }
}
