import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { writeFileAtomic } from '../../shared/atomic-file.ts'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import { Masker } from '../../shared/masking/masker.ts'
import type { SecretsKey } from './secrets-key.ts'

/** Values that a project had before: they are masked in logs, too. */
const MAX_FORMER = 200

const contentSchema = v.strictObject({
  /** By name. The revision is another for each value, and says nothing of it. */
  values: v.record(
    v.string(),
    v.strictObject({ value: v.string(), setMs: v.number(), revision: v.string() }),
  ),
  /** Addresses of external databases, which releases name by their SHA-256 only. */
  addresses: v.record(v.string(), v.string()),
  former: v.array(v.string()),
  /** What the project's notifications are signed with. */
  signingKey: v.exactOptional(v.string()),
})
type Content = v.InferOutput<typeof contentSchema>

const sealedSchema = v.strictObject({
  format: v.literal(1),
  keyId: v.string(),
  sealed: v.string(),
})
/** Before secrets were encrypted, addresses alone were kept. */
const clearSchema = v.record(v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)), v.string())

const NOTHING: Content = { values: {}, addresses: {}, former: [] }
const NO_MASKER = new Masker([])

/**
 * What is secret of each project, in memory and in `<project>/secrets.json`, where all of it is one
 * encrypted text: a change is there in whole or not at all.
 */
export class ProjectSecrets {
  readonly #directory: string
  readonly #key: SecretsKey
  readonly #contents = new Map<string, Content>()
  /** Projects whose file cannot be read. */
  readonly #damaged = new Map<string, MokaError>()
  readonly #maskers = new Map<string, Masker>()
  #everywhere: Masker | undefined
  /** The last write of each project: one that reads before another has written would undo it. */
  readonly #writes = new Map<string, Promise<void>>()

  private constructor(directory: string, key: SecretsKey) {
    this.#directory = directory
    this.#key = key
  }

  /**
   * Takes up what is kept. A file that cannot be read is logged, and in the way of whoever needs
   * what is in it; the other projects are not concerned.
   */
  static async open(options: {
    directory: string
    key: SecretsKey
    projects: readonly string[]
    logger: Logger
  }): Promise<ProjectSecrets> {
    const secrets = new ProjectSecrets(options.directory, options.key)
    for (const project of options.projects) {
      try {
        await secrets.#load(project)
      } catch (error) {
        if (!(error instanceof MokaError)) throw error
        secrets.#damaged.set(project, error)
        options.logger.error(error.message, { try: error.hint })
      }
    }
    return secrets
  }

  /** Throws `CLOUD_SECRETS_UNREADABLE`, as everything does that looks at values. */
  get(project: string, name: string): string | undefined {
    return this.#content(project).values[name]?.value
  }

  /** In order of their names. */
  list(project: string): { name: string; setMs: number }[] {
    return Object.entries(this.#content(project).values)
      .map(([name, { setMs }]) => ({ name, setMs }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Another text whenever one of these secrets has another value. */
  revision(project: string, names: readonly string[]): string {
    const { values } = this.#contents.get(project) ?? NOTHING
    return names.map(name => values[name]?.revision ?? '-').join(' ')
  }

  async set(project: string, name: string, value: string, nowMs: number): Promise<void> {
    await this.#change(project, content => {
      const before = content.values[name]
      const revision =
        before?.value === value ? before.revision : randomBytes(12).toString('base64url')
      const values = { ...content.values, [name]: { value, setMs: nowMs, revision } }
      return { ...content, values, former: withFormer(content.former, before?.value, value) }
    })
  }

  async remove(project: string, name: string): Promise<void> {
    await this.#change(project, content => {
      const { [name]: before, ...values } = content.values
      return { ...content, values, former: withFormer(content.former, before?.value) }
    })
  }

  async address(project: string, sha256: string): Promise<string | undefined> {
    return this.#content(project).addresses[sha256]
  }

  async addAddresses(project: string, added: Readonly<Record<string, string>>): Promise<void> {
    const { addresses } = this.#content(project)
    if (Object.entries(added).every(([sha256, address]) => addresses[sha256] === address)) return
    await this.#change(project, content => ({
      ...content,
      addresses: { ...content.addresses, ...added },
    }))
  }

  /** Made when it is first asked for. */
  async signingKey(project: string): Promise<string> {
    const made = this.#content(project).signingKey
    if (made !== undefined) return made
    await this.#change(project, content => ({
      signingKey: randomBytes(32).toString('hex'),
      ...content, // one that was made meanwhile wins
    }))
    return this.#content(project).signingKey!
  }

  /** Of all that the project has ever had as a secret. */
  masker(project: string): Masker {
    const content = this.#contents.get(project)
    if (content === undefined) return NO_MASKER
    let masker = this.#maskers.get(project)
    if (masker === undefined) {
      masker = new Masker(valuesIn(content))
      this.#maskers.set(project, masker)
    }
    return masker
  }

  /** Of every project. */
  maskerOfAll(): Masker {
    this.#everywhere ??= new Masker(
      [...this.#contents.values()].flatMap(content => [...valuesIn(content)]),
    )
    return this.#everywhere
  }

  #content(project: string): Content {
    const damage = this.#damaged.get(project)
    if (damage !== undefined) throw damage
    return this.#contents.get(project) ?? NOTHING
  }

  #keep(project: string, content: Content): void {
    this.#contents.set(project, content)
    this.#maskers.delete(project)
    this.#everywhere = undefined
  }

  #change(project: string, change: (content: Content) => Content): Promise<void> {
    const write = async () => {
      const content = change(this.#content(project))
      await this.#write(project, content)
      this.#keep(project, content)
    }
    const turn = (this.#writes.get(project) ?? Promise.resolve()).then(write, write)
    this.#writes.set(project, turn)
    return turn
  }

  async #write(project: string, content: Content): Promise<void> {
    await mkdir(join(this.#directory, project), { recursive: true, mode: 0o700 })
    const sealed = this.#key.seal(JSON.stringify(content), purposeOf(project))
    await writeFileAtomic(this.#path(project), `${JSON.stringify({ format: 1, ...sealed })}\n`)
  }

  async #load(project: string): Promise<void> {
    let text: string
    try {
      text = await readFile(this.#path(project), 'utf8')
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return
      throw error
    }
    const stored = parseJson(text)
    const clear = v.safeParse(clearSchema, stored)
    if (clear.success) {
      const content = { ...NOTHING, addresses: clear.output }
      await this.#write(project, content)
      return this.#keep(project, content)
    }
    const sealed = v.safeParse(sealedSchema, stored)
    if (!sealed.success) throw this.#unreadable(project, 'it is damaged')
    if (sealed.output.keyId !== this.#key.id) {
      throw this.#unreadable(project, `it is encrypted with another key than "${this.#key.path}"`)
    }
    try {
      const opened = this.#key.open(sealed.output, purposeOf(project))
      this.#keep(project, v.parse(contentSchema, JSON.parse(opened)))
    } catch (error) {
      throw this.#unreadable(project, 'it is damaged', error)
    }
  }

  #unreadable(project: string, reason: string, cause?: unknown): MokaError {
    const path = this.#path(project)
    return new MokaError(
      'CLOUD_SECRETS_UNREADABLE',
      `cannot read the secrets of project "${project}" in "${path}": ${reason}`,
      {
        hint: `end the cloud and put "${this.#key.path}" and that file back from a backup; or move the file away, and set the secrets again`,
        cause,
      },
    )
  }

  #path(project: string): string {
    return join(this.#directory, project, 'secrets.json')
  }
}

/** A file of one project is of no use in another's place. */
function purposeOf(project: string): string {
  return `mokapot secrets of ${project}`
}

function withFormer(former: string[], before: string | undefined, now?: string): string[] {
  if (before === undefined || before === now) return former
  return [...former.filter(value => value !== before), before].slice(-MAX_FORMER)
}

function* valuesIn({ values, addresses, former, signingKey }: Content): Generator<string> {
  for (const { value } of Object.values(values)) yield value
  yield* former
  for (const address of Object.values(addresses)) {
    yield address
    yield passwordIn(address)
  }
  if (signingKey !== undefined) yield signingKey
}

function passwordIn(address: string): string {
  const { password } = URL.canParse(address) ? new URL(address) : { password: '' }
  try {
    return decodeURIComponent(password)
  } catch {
    return password
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
