import { createHash } from 'node:crypto'
import * as v from 'valibot'
import { MokaError } from '../shared/errors.ts'
import { edgeEntries, missingName } from './edge-settings.ts'

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'not a SHA-256 in lower-case hex'))
const count = v.pipe(v.number(), v.integer(), v.minValue(0))
const text = (pattern: RegExp, problem: string) => v.pipe(v.string(), v.regex(pattern, problem))

// What the configuration allows (src/config/validate.ts): whoever has the token may send a draft
// that no configuration made, and these texts go into paths, header fields and DNS messages.
const functionName = text(/^[A-Za-z][\w-]{0,63}$/, 'not a function name')
const hostLabel = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const domain = text(
  new RegExp(`^(?=.{1,253}$)(?:${hostLabel}\\.)+${hostLabel}$`),
  'not a domain name in lower case',
)
const RECORD_TYPES = ['A', 'AAAA', 'CAA', 'CNAME', 'MX', 'NS', 'SRV', 'TXT'] as const
const MAX_TTL_SECONDS = 0x7fffffff // RFC 2181 §8

const encodedVariant = v.strictObject({ sha256, size: count })

/** One file of the site. `immutable`: its name holds a hash of its content. */
const releaseFile = v.strictObject({
  sha256,
  /** Octets, before any encoding. */
  size: count,
  /** Media type, with its charset. */
  type: text(/^[\x20-\x7e]+$/, 'not a media type'),
  immutable: v.exactOptional(v.literal(true)),
  encoded: v.exactOptional(
    v.strictObject({ br: v.exactOptional(encodedVariant), gzip: v.exactOptional(encodedVariant) }),
  ),
})

const releaseFunction = v.strictObject({
  runtime: v.picklist(['python', 'node']),
  /** `module.export`, as Lambda's. */
  handler: text(/^[^\0-\x1f\x7f]+\.[A-Za-z_$][\w$]*$/, 'not a module, a dot and an export'),
  /** Of the zip archive. */
  codeSha256: sha256,
  routes: v.array(text(/^\/(?:[^*?#\\\s]*|(?:[^*?#\\\s]*\/)?\*)$/, 'not a path or "/prefix/*"')),
  timeoutMs: count,
  memoryMb: count,
  environment: v.record(text(/^[A-Za-z_]\w*$/, 'not the name of a variable'), v.string()),
  /** Names alone. */
  secrets: v.exactOptional(
    v.pipe(v.array(text(/^[A-Za-z_]\w{0,127}$/, 'not the name of a variable')), v.maxLength(200)),
  ),
  reservedConcurrency: v.exactOptional(count),
  rateLimit: v.exactOptional(
    v.strictObject({ count, periodSeconds: count, per: v.picklist(['client', 'function']) }),
  ),
})

/** A rule of `_redirects`, as Netlify's parser normalises it. */
const redirectRule = v.looseObject({
  from: v.string(),
  to: v.string(),
  status: v.exactOptional(v.number()),
  force: v.exactOptional(v.boolean()),
  query: v.exactOptional(v.record(v.string(), v.string())),
  conditions: v.exactOptional(v.record(v.string(), v.union([v.string(), v.array(v.string())]))),
})

const headerRule = v.strictObject({
  for: v.string(),
  values: v.record(v.string(), v.string()),
})

const draftEntries = {
  formatVersion: v.literal(1),
  project: v.pipe(
    v.string(),
    v.regex(/^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'not 1 to 40 of a-z, 0-9 and "-"'),
  ),
  domain: v.exactOptional(domain),
  /** By decoded path: `/about/index.html`. */
  files: v.record(
    v.pipe(
      v.string(),
      v.regex(/^(?:\/(?!\.{1,2}(?:\/|$))[^/\0\\]+)+$/, 'not an absolute, normalised path'),
    ),
    releaseFile,
  ),
  redirects: v.array(redirectRule),
  headers: v.array(headerRule),
  functions: v.record(functionName, releaseFunction),
  ...edgeEntries,
  database: v.variant('kind', [
    v.strictObject({ kind: v.literal('none') }),
    v.strictObject({ kind: v.literal('embedded') }),
    /** The address is a secret, kept beside the releases under its hash. */
    v.strictObject({ kind: v.literal('external'), urlSha256: sha256 }),
  ]),
  /** In the order they are applied; `sha256` is of the SQL text, which is a blob. */
  migrations: v.array(
    v.strictObject({
      name: text(/^[^/\0-\x1f\x7f]+\.sql$/, 'not the name of a .sql file'),
      sha256,
    }),
  ),
  dns: v.strictObject({
    records: v.array(
      v.strictObject({
        name: text(/^[\x21-\x7e]{1,1020}$/, 'not the name of a record'), // 255 octets as `\DDD`
        type: v.picklist(RECORD_TYPES),
        value: v.union([v.string(), v.array(v.string())]),
        ttlSeconds: v.exactOptional(v.pipe(count, v.maxValue(MAX_TTL_SECONDS))),
      }),
    ),
  }),
  /** How many of the newest releases stay, however old they are. */
  keepReleases: v.exactOptional(v.pipe(count, v.minValue(1), v.maxValue(1000))),
  /** Who is told of deploys: addresses, or names of secrets that hold one. */
  notify: v.exactOptional(
    v.pipe(
      v.array(
        v.union([
          v.strictObject({
            url: text(/^https?:\/\/[^\s/@]+(?:\/[^\s@]*)?$/, 'not an http address'),
          }),
          v.strictObject({ secret: text(/^[A-Za-z_]\w{0,127}$/, 'not the name of a secret') }),
        ]),
      ),
      v.maxLength(10),
    ),
  ),
  source: v.strictObject({
    commit: v.exactOptional(v.string()),
    branch: v.exactOptional(v.string()),
    isDirty: v.exactOptional(v.boolean()),
    author: v.exactOptional(v.string()),
    message: v.exactOptional(v.string()),
    /** Program, runtime and platform that made the release. */
    builder: v.exactOptional(v.string()),
    /** Of the lock file that the site was built by. */
    lockSha256: v.exactOptional(sha256),
  }),
}

const draftSchema = v.strictObject(draftEntries)
const manifestSchema = v.strictObject({ ...draftEntries, id: v.string(), createdMs: count })

export type ReleaseFile = v.InferOutput<typeof releaseFile>
export type ReleaseFunction = v.InferOutput<typeof releaseFunction>
/** A release as the developer's half makes it, before the cloud gives it an id and a time. */
export type ReleaseDraft = v.InferOutput<typeof draftSchema>
/** A release: everything that is live while it is, and never changed. */
export type ReleaseManifest = v.InferOutput<typeof manifestSchema>

/** A release of nothing, to begin with. */
export function emptyDraft(project: string): ReleaseDraft {
  return {
    formatVersion: 1,
    project,
    files: {},
    redirects: [],
    headers: [],
    functions: {},
    database: { kind: 'none' },
    migrations: [],
    dns: { records: [] },
    source: {},
  }
}

/** Checks a draft that came over the wire. Throws `RELEASES_INVALID_DRAFT` naming the field. */
export function parseDraft(input: unknown): ReleaseDraft {
  const draft = parse(draftSchema, input, 'RELEASES_INVALID_DRAFT', 'the release that was sent')
  const missing = missingName(draft)
  if (missing === undefined) return draft
  throw new MokaError(
    'RELEASES_INVALID_DRAFT',
    `cannot read the release that was sent: ${missing}`,
    { hint: 'origins and signing keys are sent with the behaviors that name them' },
  )
}

/**
 * Reads stored bytes. Those that still have the hash they were stored under hold the files that were
 * checked one by one then, which takes longer than all the rest. Throws `RELEASES_CORRUPT_MANIFEST`.
 */
export function decodeManifest(bytes: Uint8Array, sha256?: string): ReleaseManifest {
  const input = JSON.parse(Buffer.from(bytes).toString('utf8')) as ReleaseManifest
  const check = (manifest: unknown) =>
    parse(manifestSchema, manifest, 'RELEASES_CORRUPT_MANIFEST', 'a stored release')
  if (hashManifest(bytes) !== sha256) return check(input)
  return { ...check({ ...input, files: {} }), files: input.files }
}

/** The bytes that are stored. */
export function encodeManifest(manifest: ReleaseManifest): Uint8Array {
  return Buffer.from(JSON.stringify(manifest), 'utf8')
}

/** The SHA-256 of a manifest's stored bytes, which every edge confirms. */
export function hashManifest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** A blob that a release refers to; the size where its manifest knows it. */
export interface ReleaseBlob {
  sha256: string
  sizeBytes?: number
}

/** Every blob a release cannot be without. */
export function* blobsOf(release: ReleaseDraft): Generator<ReleaseBlob> {
  for (const { sha256, size, encoded } of Object.values(release.files)) {
    yield { sha256, sizeBytes: size }
    for (const form of [encoded?.br, encoded?.gzip]) {
      if (form !== undefined) yield { sha256: form.sha256, sizeBytes: form.size }
    }
  }
  for (const { codeSha256 } of Object.values(release.functions)) yield { sha256: codeSha256 }
  for (const { sha256 } of release.migrations) yield { sha256 }
}

/** Names of the functions that get a secret. */
export function functionsWith(release: ReleaseDraft | undefined, secret: string): string[] {
  return Object.entries(release?.functions ?? {})
    .filter(([, { secrets = [] }]) => secrets.includes(secret))
    .map(([name]) => name)
}

/** Whether a secret is the address of who is told of deploys. */
export function notifiesBy(release: ReleaseDraft | undefined, secret: string): boolean {
  return release?.notify?.some(target => 'secret' in target && target.secret === secret) ?? false
}

/** Whether the same blobs make both, with the same sizes. */
export function isSameFile(a: ReleaseFile | undefined, b: ReleaseFile): boolean {
  if (a?.sha256 !== b.sha256 || a.size !== b.size) return false
  const [before, after] = [a.encoded ?? {}, b.encoded ?? {}]
  return isSameForm(before.br, after.br) && isSameForm(before.gzip, after.gzip)
}

type EncodedForm = NonNullable<ReleaseFile['encoded']>['br']

function isSameForm(a: EncodedForm, b: EncodedForm): boolean {
  return a?.sha256 === b?.sha256 && a?.size === b?.size
}

function parse<T extends v.GenericSchema>(
  schema: T,
  input: unknown,
  code: string,
  subject: string,
): v.InferOutput<T> {
  const result = v.safeParse(schema, input, { abortEarly: true })
  if (result.success) return result.output
  const [issue] = result.issues
  throw new MokaError(
    code,
    `cannot read ${subject}: field "${v.getDotPath(issue) ?? ''}": ${issue.message}`,
    { hint: 'use the same version of moka on both sides' },
  )
}
