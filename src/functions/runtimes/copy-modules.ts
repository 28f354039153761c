import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Copies a runtime's modules to a folder named after their content, and returns its path: the
 * installed ones may be read-only, or where only their owner can read them.
 */
export function copyModules(
  from: string,
  directory: string,
  isWanted: (name: string) => boolean,
): string {
  const hash = createHash('sha256')
  const names = readdirSync(from, { recursive: true, encoding: 'utf8' })
  const modules = names
    .filter(isWanted)
    .sort()
    .map(name => {
      const content = readFileSync(join(from, name))
      hash.update(`${name}\0`).update(content)
      return { name, content }
    })
  const folder = join(directory, hash.digest('hex').slice(0, 16))
  if (modules.every(({ name }) => existsSync(join(folder, name)))) return folder
  const temporary = `${folder}.${randomBytes(4).toString('hex')}.tmp`
  if (existsSync(directory)) rmSync(directory, { recursive: true }) // of another version of ours
  mkdirSync(temporary, { recursive: true })
  for (const { name, content } of modules) {
    const path = join(temporary, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
    // Whatever our umask: the users of functions read them.
    chmodSync(dirname(path), 0o755)
    chmodSync(path, 0o644)
  }
  for (const path of [directory, temporary]) chmodSync(path, 0o755)
  renameSync(temporary, folder)
  return folder
}
