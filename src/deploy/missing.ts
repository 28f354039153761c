import type { BlobUpload, CloudApi, LiveRelease } from '../control/cloud-api.ts'
import {
  blobsOf,
  isSameFile,
  type ReleaseBlob,
  type ReleaseDraft,
  type ReleaseFile,
} from '../releases/manifest.ts'
import { MokaError } from '../shared/errors.ts'
import { type PreparedRelease, prepareEncoded } from './draft.ts'

type Live = Pick<LiveRelease, 'id' | 'manifest'>

/**
 * What the bucket lacks of a release, to be sent. Compressed forms that were taken over from the
 * live release and are lost since are made anew; where they come out otherwise than then, by
 * another version of zlib, the draft that is returned differs in them from the one given.
 */
export async function selectMissing(
  { draft, blobs }: PreparedRelease,
  target: Pick<CloudApi, 'missingBlobs'>,
  live?: Live,
): Promise<{ draft: ReleaseDraft; uploads: BlobUpload[] }> {
  const missing = await findMissing(draft, blobs, target, live)
  const lost = new Set([...missing].filter(sha256 => !blobs.has(sha256)))
  if (lost.size === 0) return { draft, uploads: pick(missing, blobs) }
  const files: [string, ReleaseFile][] = []
  for (const [path, file] of Object.entries(draft.files)) {
    files.push([path, hasLostForm(file, lost) ? await encodeAgain(file, blobs) : file])
  }
  const whole = { ...draft, files: Object.fromEntries(files) }
  const uploads = pick(await findMissing(whole, blobs, target, live), blobs)
  return { draft: whole, uploads }
}

async function findMissing(
  draft: ReleaseDraft,
  blobs: ReadonlyMap<string, BlobUpload>,
  target: Pick<CloudApi, 'missingBlobs'>,
  live: Live | undefined,
): Promise<Set<string>> {
  const before = live?.manifest.files ?? {}
  // The cloud knows what the live release has: of a large site that has hardly changed, nearly all.
  const news = Object.entries(draft.files).filter(([path, file]) => !isSameFile(before[path], file))
  const wanted = new Map<string, ReleaseBlob>()
  for (const blob of blobsOf({ ...draft, files: Object.fromEntries(news) })) {
    // The manifest does not know the sizes of code and migrations; who has made them does.
    const sizeBytes = blob.sizeBytes ?? blobs.get(blob.sha256)?.sizeBytes
    const { sha256 } = blob
    wanted.set(sha256, { sha256, ...(sizeBytes === undefined ? {} : { sizeBytes }) })
  }
  const of = live && { project: draft.project, id: live.id }
  const missing = await target.missingBlobs([...wanted.values()], of)
  if (missing.length === 0) return new Set()
  const own = new Set(Array.from(blobsOf(draft), ({ sha256 }) => sha256))
  return new Set(missing.filter(sha256 => own.has(sha256)))
}

function hasLostForm({ encoded }: ReleaseFile, lost: ReadonlySet<string>): boolean {
  return [encoded?.br, encoded?.gzip].some(form => form !== undefined && lost.has(form.sha256))
}

async function encodeAgain(
  { encoded: _lost, ...file }: ReleaseFile,
  blobs: Map<string, BlobUpload>,
): Promise<ReleaseFile> {
  const content = blobs.get(file.sha256)?.open() ?? new Uint8Array()
  const chunks: Uint8Array[] = []
  for await (const chunk of content instanceof Uint8Array ? [content] : content) chunks.push(chunk)
  const encoded = await prepareEncoded(Buffer.concat(chunks), file.sha256, blobs)
  return encoded === undefined ? file : { ...file, encoded }
}

function pick(missing: ReadonlySet<string>, blobs: ReadonlyMap<string, BlobUpload>): BlobUpload[] {
  return Array.from(missing, sha256 => {
    const blob = blobs.get(sha256)
    if (blob !== undefined) return blob
    throw new MokaError(
      'DEPLOY_BLOB_UNKNOWN',
      `cannot deploy: the cloud asks for object ${sha256}, which the project does not have`,
      { hint: 'use the same version of moka on both sides' },
    )
  })
}
