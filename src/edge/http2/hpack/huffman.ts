import { HpackError } from './header-field.ts'
import { CODE_LENGTHS, CODES, END_OF_STRING } from './huffman-code.ts'

// Decoding goes four bits at a time through a table: for each inner node of the code's tree and
// each nibble, the node that follows and the symbol that ended, if one did. No code is shorter
// than five bits, so at most one does.

const EMITS = 1 << 16
const FAILS = 1 << 17
const SYMBOL_SHIFT = 8
/** `state << 4 | nibble` → next state, symbol << 8, flags. */
const { transitions, mayEnd } = buildTransitions()
const LENGTHS = Uint8Array.from(CODE_LENGTHS)
const CODE_WORDS = Uint32Array.from(CODES)

let scratch = Buffer.allocUnsafeSlow(1024)

/** Throws `HpackError` for an end-of-string symbol or wrong padding (RFC 7541 §5.2). */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string {
  // Five bits a symbol at least.
  const most = Math.ceil(((end - start) * 8) / 5)
  if (scratch.length < most) scratch = Buffer.allocUnsafeSlow(most * 2)
  const out = scratch
  let length = 0
  let state = 0
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!
    let step = transitions[(state << 4) | (byte >> 4)]!
    if (step >= EMITS) {
      if (step >= FAILS) throw new HpackError('end of string within a Huffman string')
      out[length++] = step >> SYMBOL_SHIFT
    }
    step = transitions[((step & 0xff) << 4) | (byte & 15)]!
    if (step >= EMITS) {
      if (step >= FAILS) throw new HpackError('end of string within a Huffman string')
      out[length++] = step >> SYMBOL_SHIFT
    }
    state = step & 0xff
  }
  if (mayEnd[state] === 0) throw new HpackError('a Huffman string has wrong padding')
  return out.toString('latin1', 0, length)
}

/** Octets that `text` takes when Huffman-coded. */
export function huffmanLength(text: string): number {
  let bits = 0
  for (let i = 0; i < text.length; i++) bits += LENGTHS[text.charCodeAt(i) & 0xff]!
  return (bits + 7) >> 3
}

/** Writes `huffmanLength(text)` octets at `offset`, padded with ones. Returns the end. */
export function encodeHuffman(text: string, out: Uint8Array, offset: number): number {
  let pending = 0
  let pendingBits = 0
  let at = offset
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff
    let bits = LENGTHS[symbol]!
    const code = CODE_WORDS[symbol]!
    // Up to seven bits wait, so at most 24 more fit beside them.
    if (bits > 24) {
      bits -= 8
      pending = (pending << 8) | (code >>> bits)
      out[at++] = (pending >>> pendingBits) & 0xff
    }
    pending = (pending << bits) | (code & ((1 << bits) - 1))
    pendingBits += bits
    while (pendingBits >= 8) {
      pendingBits -= 8
      out[at++] = (pending >>> pendingBits) & 0xff
    }
  }
  if (pendingBits > 0) {
    out[at++] = ((pending << (8 - pendingBits)) | (0xff >> pendingBits)) & 0xff
  }
  return at
}

function buildTransitions(): { transitions: Int32Array; mayEnd: Uint8Array } {
  // A child is another inner node, or a symbol as its complement.
  const children: [number, number][] = [[0, 0]]
  for (const [symbol, length] of CODE_LENGTHS.entries()) {
    let node = 0
    for (let bit = length - 1; bit > 0; bit--) {
      const side = (CODES[symbol]! >>> bit) & 1
      if (children[node]![side] === 0) children[node]![side] = children.push([0, 0]) - 1
      node = children[node]![side]!
    }
    children[node]![CODES[symbol]! & 1] = ~symbol
  }
  const table = new Int32Array(children.length * 16)
  for (let state = 0; state < children.length; state++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      table[(state << 4) | nibble] = walk(children, state, nibble)
    }
  }
  // Padding is the most significant bits of the end of string, all ones, fewer than eight.
  const ends = new Uint8Array(children.length)
  for (let node = 0, bits = 0; bits < 8; bits++, node = children[node]![1]!) ends[node] = 1
  return { transitions: table, mayEnd: ends }
}

function walk(children: readonly [number, number][], state: number, nibble: number): number {
  let node = state
  let emitted = 0
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[node]![(nibble >> bit) & 1]!
    if (child >= 0) node = child
    else if (~child === END_OF_STRING) return FAILS
    else {
      emitted = EMITS | (~child << SYMBOL_SHIFT)
      node = 0
    }
  }
  return emitted | node
}
