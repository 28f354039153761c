import { stripVTControlCharacters } from 'node:util'

const MAX_LINES = 12
const MAX_CHARS = 1500

/** The end of what a program has said, for who was not there. */
export class OutputTail {
  #text = ''

  push(text: string): void {
    this.#text = (this.#text + text).slice(-2 * MAX_CHARS)
  }

  /** Its last lines, without colours and what was written over. */
  get text(): string {
    const lines = stripVTControlCharacters(this.#text)
      .split('\n')
      .map(line => line.slice(line.trimEnd().lastIndexOf('\r') + 1).trimEnd())
      .filter(line => line !== '')
    return lines.slice(-MAX_LINES).join('\n').slice(-MAX_CHARS)
  }
}
