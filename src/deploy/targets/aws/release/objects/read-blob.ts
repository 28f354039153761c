import type { BlobUpload } from '../../../../../control/cloud-api.ts'

/** All of it, in memory. */
export async function readBlob(blob: BlobUpload): Promise<Uint8Array> {
  const content = blob.open()
  if (content instanceof Uint8Array) return content
  const chunks: Uint8Array[] = []
  for await (const chunk of content) chunks.push(chunk)
  return Buffer.concat(chunks)
}
