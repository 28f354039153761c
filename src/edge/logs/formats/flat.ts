/**
 * The same text in one piece. V8 keeps a text that was put together as a tree of its parts: one that
 * goes into a thousand lines would be walked a thousand times. Of ASCII.
 */
export function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
