import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readPackage } from '../../config/site/frameworks.ts'
import type { PackageManager } from '../../config/site/package-manager.ts'
import { hashFile } from '../files/hash-file.ts'

/**
 * Says which lock file the packages were installed by; theirs are the packages, so it lies with them.
 * The workspaces of pushes look for it, too (src/pipeline).
 */
const STAMP = '.moka-installed'

/**
 * Whether packages have to be installed before a build: where there are none, or where those that an
 * earlier deploy installed are of another lock file. What somebody installed by hand is his.
 */
export async function needsInstall(root: string, { lockFile }: PackageManager): Promise<boolean> {
  const modules = join(root, 'node_modules')
  if (!existsSync(modules)) return hasDependencies(root)
  const stamp = await readFile(join(modules, STAMP), 'utf8').catch(() => undefined)
  return stamp !== undefined && stamp !== (await hashInstalled(root, lockFile))
}

/** Before an installation, which may be cut off: what is there then is of no lock file. */
export async function forgetInstalled(root: string): Promise<void> {
  await rm(join(root, 'node_modules', STAMP), { force: true })
}

/** Notes which lock file was installed. */
export async function noteInstalled(root: string, { lockFile }: PackageManager): Promise<void> {
  const modules = join(root, 'node_modules')
  if (existsSync(modules))
    await writeFile(join(modules, STAMP), await hashInstalled(root, lockFile))
}

function hasDependencies(root: string): boolean {
  const { dependencies, devDependencies } = readPackage(root)
  return [dependencies, devDependencies].some(
    named => typeof named === 'object' && named !== null && Object.keys(named).length > 0,
  )
}

/** Without a lock file it is package.json that says what is installed. */
function hashInstalled(root: string, lockFile: string | undefined): Promise<string> {
  return hashFile(lockFile ?? join(root, 'package.json'))
}
