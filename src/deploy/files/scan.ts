import { type Dirent, statSync } from 'node:fs'
import { readdir, realpath } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'

/** Files at the root that configure the edge; they are read, not served. */
export const CONTROL_FILES = ['_redirects', '_headers'] as const

/** From here on memory counts more than a tenth of the time. */
const MANY_FILES = 12_000

/** One file that will be served. */
export interface SiteFile {
  /** From the site's root, with `/`: `/about/index.html`. In NFC, as people type it in links. */
  path: string
  absolutePath: string
  sizeBytes: number
  /** With the inode, what tells whether a file is the one that was hashed before. */
  modifiedMs: number
  inode: number
}

/**
 * Lists the files of a site, in byte order of their paths. Dotfiles are left out, but for
 * `.well-known`. A link is followed when it stays inside; one that leaves the folder is refused,
 * since it would publish what was not meant to be. Throws `DEPLOY_…` naming the file.
 */
export async function scanSite(directory: string): Promise<SiteFile[]> {
  const root = await realpath(directory).catch(error => {
    if (systemErrorCode(error) !== 'ENOENT') throw error
    throw new MokaError(
      'DEPLOY_SITE_MISSING',
      `cannot deploy the site in "${directory}": there is no such folder`,
      { hint: 'build the site first, or correct site.directory in moka.config.ts' },
    )
  })
  const files: SiteFile[] = []
  await scanDirectory(root, root, '', files, new Set([root]))
  files.sort((a, b) => (a.path < b.path ? -1 : 1))
  const twin = files.find((file, index) => file.path === files[index + 1]?.path)
  if (twin === undefined) return files
  throw new MokaError(
    'DEPLOY_NAME_CLASH',
    `cannot deploy "${twin.path}": two files have this name, in composed and decomposed letters`,
    { hint: 'remove one of them; they would have the same URL' },
  )
}

async function scanDirectory(
  root: string,
  directory: string,
  path: string,
  files: SiteFile[],
  above: ReadonlySet<string>,
): Promise<void> {
  const entries = await readdir(directory, { withFileTypes: true })
  await Promise.all(
    entries.map(async entry => {
      if (entry.name.startsWith('.') && entry.name !== '.well-known') return
      const child = `${path}/${entry.name.normalize('NFC')}`
      if ((CONTROL_FILES as readonly string[]).includes(child.slice(1))) return
      if (/[\\\x00-\x1f\x7f\uFFFD]/.test(entry.name)) throw badName(child)
      await scanEntry(root, join(directory, entry.name), child, entry, files, above)
    }),
  )
}

async function scanEntry(
  root: string,
  absolutePath: string,
  path: string,
  entry: Dirent,
  files: SiteFile[],
  above: ReadonlySet<string>,
): Promise<void> {
  const target = entry.isSymbolicLink() ? await followLink(root, absolutePath, path) : absolutePath
  const info = statSync(target) // a tenth of what waiting for the answer costs
  if (info.isDirectory()) {
    if (entry.isSymbolicLink() && above.has(target)) return // a loop adds nothing
    return scanDirectory(root, target, path, files, new Set([...above, target]))
  }
  if (!info.isFile()) {
    throw new MokaError('DEPLOY_NOT_A_FILE', `cannot deploy "${path}": it is not a regular file`, {
      hint: 'remove it from the site folder',
    })
  }
  const count = files.push({
    path,
    absolutePath: target,
    sizeBytes: info.size,
    modifiedMs: info.mtimeMs,
    inode: info.ino,
  })
  if (count === MANY_FILES) growSlowly()
}

async function followLink(root: string, absolutePath: string, path: string): Promise<string> {
  const target = await realpath(absolutePath).catch(() => undefined)
  if (target === undefined) {
    throw new MokaError('DEPLOY_BROKEN_LINK', `cannot deploy "${path}": the link leads nowhere`, {
      hint: 'remove the link, or make the file it points to',
    })
  }
  const inside = relative(root, target)
  if (inside === '..' || inside.startsWith(`..${sep}`)) {
    throw new MokaError(
      'DEPLOY_LINK_OUTSIDE',
      `cannot deploy "${path}": the link leaves the site folder, to "${target}"`,
      { hint: 'copy the file into the site folder' },
    )
  }
  return target
}

/** The heap grows by a fifth at a time and not to its double: of 50,000 files half the memory. */
function growSlowly(): void {
  setFlagsFromString('--heap-growing-percent=20')
  setFlagsFromString('--semi-space-growth-factor=1')
}

function badName(path: string): MokaError {
  return new MokaError(
    'DEPLOY_BAD_NAME',
    `cannot deploy ${JSON.stringify(path)}: a name with a backslash or a control character, or that is not UTF-8, has no URL`,
    { hint: 'rename the file' },
  )
}
