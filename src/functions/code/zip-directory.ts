import { MokaError } from '../../shared/errors.ts'

export interface ZipEntry {
  /** Path inside the archive with forward slashes; folders end in one. */
  name: string
  sizeBytes: number
  isExecutable: boolean
}

/** Lambda's quota for unpacked code. */
export const MAX_UNPACKED_BYTES = 250 * 1024 * 1024
const MAX_ENTRIES = 50_000

const END_SIGNATURE = 0x06054b50
const ENTRY_SIGNATURE = 0x02014b50
const END_SIZE = 22
const MAX_COMMENT = 0xffff
const UNIX = 3 // "version made by", upper byte (APPNOTE 4.4.2.2)

/**
 * The archive's central directory, checked: every path stays inside the folder that it will be
 * unpacked to, nothing is a link, and no path is taken twice. Throws FUNCTIONS_CODE_INVALID that
 * names the entry.
 */
export function readZipDirectory(bytes: Uint8Array): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = findEnd(view)
  const count = view.getUint16(end + 10, true)
  let offset = view.getUint32(end + 16, true)
  if (count > MAX_ENTRIES || count === 0xffff)
    throw invalid(`it has more than ${MAX_ENTRIES} entries`)
  const entries: ZipEntry[] = []
  const places: Places = { files: new Set(), folders: new Set() }
  let total = 0
  for (let index = 0; index < count; index++) {
    if (offset + 46 > view.byteLength || view.getUint32(offset, true) !== ENTRY_SIGNATURE) {
      throw invalid('its directory is damaged')
    }
    const nameLength = view.getUint16(offset + 28, true)
    const nameStart = offset + 46
    const name = new TextDecoder().decode(bytes.subarray(nameStart, nameStart + nameLength))
    const sizeBytes = view.getUint32(offset + 24, true)
    const mode = view.getUint8(offset + 5) === UNIX ? view.getUint16(offset + 40, true) : 0
    checkEntry(name, mode)
    takePlace(name, places)
    total += sizeBytes
    if (total > MAX_UNPACKED_BYTES) throw invalid('it is larger than 250 MB unpacked')
    entries.push({ name, sizeBytes, isExecutable: (mode & 0o111) !== 0 })
    offset =
      nameStart + nameLength + view.getUint16(offset + 30, true) + view.getUint16(offset + 32, true)
  }
  return entries
}

function findEnd(view: DataView): number {
  const lowest = Math.max(0, view.byteLength - END_SIZE - MAX_COMMENT)
  for (let offset = view.byteLength - END_SIZE; offset >= lowest; offset--) {
    if (view.getUint32(offset, true) === END_SIGNATURE) return offset
  }
  throw invalid('it is not a zip archive')
}

function checkEntry(name: string, mode: number): void {
  const type = mode & 0o170000
  if (type === 0o120000) throw invalid(`entry "${name}" is a symbolic link`)
  if (type !== 0 && type !== 0o100000 && type !== 0o040000) {
    throw invalid(`entry "${name}" is neither a file nor a folder`)
  }
  const isUnsafe =
    name === '' ||
    name.startsWith('/') ||
    name.includes('\\') ||
    name.includes('\0') ||
    /^[a-z]:/i.test(name) ||
    name.split('/').some(segment => segment === '..' || segment === '.')
  if (isUnsafe) throw invalid(`entry "${name}" leaves the folder`)
}

interface Places {
  files: Set<string>
  folders: Set<string>
}

/** A path may be one file or a folder with others below it, not both: `a` and `a/b`. */
function takePlace(name: string, { files, folders }: Places): void {
  const segments = name.split('/').filter(segment => segment !== '')
  const path = segments.join('/')
  if (name.endsWith('/')) folders.add(path)
  else if (files.has(path)) throw invalid(`entry "${path}" is there twice`)
  else files.add(path)
  for (let depth = 1; depth < segments.length; depth++) {
    folders.add(segments.slice(0, depth).join('/'))
  }
  for (let depth = 1; depth <= segments.length; depth++) {
    const part = segments.slice(0, depth).join('/')
    if (files.has(part) && folders.has(part)) {
      throw invalid(`entry "${part}" is a file and a folder`)
    }
  }
}

function invalid(reason: string): MokaError {
  return new MokaError('FUNCTIONS_CODE_INVALID', `cannot unpack the function's code: ${reason}`)
}
