import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { syncDirectory, writeFileAtomic } from '../../shared/atomic-file.ts'
import { systemErrorCode } from '../../shared/errors.ts'
import { isPasswordHash } from '../../shared/password-hash.ts'

const databaseSchema = v.object({
  /** What it is called as a project of the database; a new one gets a new name. */
  name: v.string(),
  kind: v.picklist(['empty', 'copy']),
})

const pointerSchema = v.object({
  name: v.string(),
  id: v.string(),
  manifestSha256: v.string(),
  /** When the release went up. */
  activatedMs: v.number(),
  serial: v.number(),
  retained: v.array(
    v.object({ id: v.string(), manifestSha256: v.string(), retiredMs: v.number() }),
  ),
  history: v.array(v.string()),
  /** When there was first a preview of that name. */
  createdMs: v.number(),
  expiresMs: v.number(),
  /** See {@link hashPassword}. Absent: everybody may see it. */
  passwordHash: v.exactOptional(v.pipe(v.string(), v.check(isPasswordHash))),
  database: v.exactOptional(databaseSchema),
})

export type PreviewDatabase = v.InferOutput<typeof databaseSchema>
/** Which release a preview shows, to whom and until when. Beside the fields of the live pointer. */
export type PreviewPointer = v.InferOutput<typeof pointerSchema>

/** The pointers of a project's previews: each a file that is replaced by rename and fsync. */
export class PreviewPointerFiles {
  readonly #directory: string

  /** `directory` is of one project's previews. */
  constructor(directory: string) {
    this.#directory = directory
  }

  async names(): Promise<string[]> {
    try {
      const files = await readdir(this.#directory)
      return files.filter(file => file.endsWith('.json')).map(file => file.slice(0, -5))
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return []
      throw error
    }
  }

  /** Throws when the file holds no pointer. */
  async read(name: string): Promise<PreviewPointer> {
    return v.parse(pointerSchema, JSON.parse(await readFile(this.#path(name), 'utf8')))
  }

  async write(pointer: PreviewPointer): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    await writeFileAtomic(this.#path(pointer.name), `${JSON.stringify(pointer, null, 2)}\n`)
  }

  async remove(name: string): Promise<void> {
    await rm(this.#path(name), { force: true })
    await syncDirectory(this.#directory)
  }

  #path(name: string): string {
    return join(this.#directory, `${name}.json`)
  }
}
