import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../shared/atomic-file.ts'
import { systemErrorCode } from '../../shared/errors.ts'

/** Values that releases name by their SHA-256 only, in a file of mode 0600 for each project. */
export class ProjectSecrets {
  readonly #directory: string
  /** The last write of each project: one that reads before another has written would undo it. */
  readonly #writes = new Map<string, Promise<void>>()

  /** `directory` holds `<project>/secrets.json`. */
  constructor(directory: string) {
    this.#directory = directory
  }

  async get(project: string, sha256: string): Promise<string | undefined> {
    return (await this.#read(project))[sha256]
  }

  add(project: string, values: Readonly<Record<string, string>>): Promise<void> {
    if (Object.keys(values).length === 0) return Promise.resolve()
    const write = () => this.#write(project, values)
    const turn = (this.#writes.get(project) ?? Promise.resolve()).then(write, write)
    this.#writes.set(project, turn)
    return turn
  }

  async #write(project: string, values: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(join(this.#directory, project), { recursive: true, mode: 0o700 })
    const all = { ...(await this.#read(project)), ...values }
    await writeFileAtomic(this.#path(project), `${JSON.stringify(all)}\n`)
  }

  async #read(project: string): Promise<Record<string, string>> {
    try {
      return JSON.parse(await readFile(this.#path(project), 'utf8')) as Record<string, string>
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return {}
      throw error
    }
  }

  #path(project: string): string {
    return join(this.#directory, project, 'secrets.json')
  }
}
