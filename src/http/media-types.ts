import { mimes } from 'mrmime'

/** What mrmime lacks or names otherwise than browsers and registries do today. */
const BY_EXTENSION: Readonly<Record<string, string>> = {
  avif: 'image/avif',
  cjs: 'text/javascript',
  cur: 'image/vnd.microsoft.icon',
  ico: 'image/vnd.microsoft.icon',
  js: 'text/javascript',
  jxl: 'image/jxl',
  map: 'application/json',
  mjs: 'text/javascript',
  otf: 'font/otf',
  py: 'text/x-python',
  scss: 'text/x-scss',
  ts: 'text/plain',
  ttf: 'font/ttf',
  wasm: 'application/wasm',
  webmanifest: 'application/manifest+json',
  woff: 'font/woff',
  woff2: 'font/woff2',
}

const OCTET_STREAM = 'application/octet-stream'

/** Types outside `text/` whose bytes are text. */
const TEXT_TYPE = /^(?:text\/|application\/(?:javascript|json|xml|toml|yaml|sql)$)|\+(?:json|xml)$/

/** Binary by name, yet worth compressing. */
const COMPRESSIBLE_BINARY: ReadonlySet<string> = new Set([
  'application/vnd.ms-fontobject',
  'application/wasm',
  'application/x-tar',
  'font/otf',
  'font/ttf',
  'image/bmp',
  'image/vnd.microsoft.icon',
])

/**
 * Content-Type of a file by its name. Text carries `charset=utf-8`; what is not known is
 * application/octet-stream, which browsers download and never run.
 */
export function mediaTypeOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  if (dot === -1) return OCTET_STREAM
  const extension = name.slice(dot + 1).toLowerCase()
  // Its own entries alone: mrmime's `lookup` answers "constructor" with a function.
  const table = [BY_EXTENSION, mimes].find(types => Object.hasOwn(types, extension))
  const type = table?.[extension]
  if (type === undefined) return OCTET_STREAM
  return TEXT_TYPE.test(type) ? `${type}; charset=utf-8` : type
}

/** The type alone, in lower case, without parameters: `text/html`. */
export function essenceOf(contentType: string): string {
  const end = contentType.indexOf(';')
  return (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}

/** Whether a compressed representation of this type is worth having. */
export function isCompressible(contentType: string): boolean {
  const essence = essenceOf(contentType)
  return TEXT_TYPE.test(essence) || COMPRESSIBLE_BINARY.has(essence)
}
