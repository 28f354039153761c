import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readPackage } from './frameworks.ts'

export interface PackageManager {
  name: 'npm' | 'pnpm' | 'yarn' | 'bun'
  /** Its lock file; undefined where the project has none. */
  lockFile: string | undefined
}

const LOCK_FILES: readonly (readonly [file: string, name: PackageManager['name']])[] = [
  ['pnpm-lock.yaml', 'pnpm'],
  ['yarn.lock', 'yarn'],
  ['bun.lock', 'bun'],
  ['bun.lockb', 'bun'],
  ['package-lock.json', 'npm'],
  ['npm-shrinkwrap.json', 'npm'],
]

/**
 * The package manager of the project in `root`: the one that package.json names, else the one whose
 * lock file is there or in a folder above within the same repository, else npm. Undefined without a
 * package.json.
 */
export function detectPackageManager(root: string): PackageManager | undefined {
  if (!existsSync(join(root, 'package.json'))) return undefined
  const { packageManager } = readPackage(root)
  const named = /^(npm|pnpm|yarn|bun)@/.exec(String(packageManager))?.[1] as
    | PackageManager['name']
    | undefined
  for (let folder = root; ; folder = dirname(folder)) {
    for (const [file, name] of LOCK_FILES) {
      const lockFile = join(folder, file)
      if ((named === undefined || named === name) && existsSync(lockFile)) return { name, lockFile }
    }
    if (existsSync(join(folder, '.git')) || dirname(folder) === folder) break
  }
  return { name: named ?? 'npm', lockFile: undefined }
}

/** Installs exactly what the lock file names, where there is one. */
export function installCommand({ name, lockFile }: PackageManager, version = ''): string {
  if (lockFile === undefined) return `${name} install`
  if (name === 'npm') return 'npm ci'
  // Yarn 1 knows no --immutable, and later ones dropped --frozen-lockfile.
  if (name === 'yarn' && !version.startsWith('1.')) return 'yarn install --immutable'
  return `${name} install --frozen-lockfile`
}

/** Runs a script of package.json. */
export function scriptCommand({ name }: PackageManager, script: string): string {
  return `${name} run ${script}`
}
