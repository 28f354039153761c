import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { writeFileAtomic } from '../../shared/atomic-file.ts'
import { systemErrorCode } from '../../shared/errors.ts'

/** Values that releases name by their SHA-256 only, in a file of mode 0600. */
export class ProjectSecrets {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  async get(sha256: string): Promise<string | undefined> {
    return (await this.#read())[sha256]
  }

  async add(values: Readonly<Record<string, string>>): Promise<void> {
    if (Object.keys(values).length === 0) return
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    await writeFileAtomic(this.#path, `${JSON.stringify({ ...(await this.#read()), ...values })}\n`)
  }

  async #read(): Promise<Record<string, string>> {
    try {
      return JSON.parse(await readFile(this.#path, 'utf8')) as Record<string, string>
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return {}
      throw error
    }
  }
}
