import { fstatSync, lstatSync, readFileSync, type Stats } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import type { Project } from '../../config/project.ts'

const TOOL_FOLDERS = new Set(['node_modules', '__pycache__'])

/**
 * Tells which paths of a project are no source, so that their changes mean nothing: packages,
 * dotfiles (our data, git's, other tools' caches, editors' swap files), what the build writes (its
 * folder and, beside it, `dist.tmp` and the like), what .gitignore names, logs, and the file our
 * own output goes to. A folder that is deployed is a source whatever .gitignore says of it.
 */
export function ignoredPaths(
  project: Project,
  descriptors: readonly number[] = [1, 2],
): (path: string) => boolean {
  const { root, site } = project
  const isNamed = gitignore(readText(join(root, '.gitignore')))
  const inputs = [
    ...(site === undefined || site.build !== undefined ? [] : [site.directory]),
    ...project.functions.map(({ entry }) => (dirname(entry) === root ? entry : dirname(entry))),
    project.migrationsDirectory,
  ]
  const outputs = descriptors.flatMap(outputFile)
  return path => {
    const name = relative(root, path).split(sep).join('/')
    if (name.split('/').some(isOfTools)) return true
    if (isBuilt(path, site)) return true
    if (outputs.length > 0 && isOneOf(path, outputs)) return true
    if (inputs.some(input => isWithin(path, input) || isWithin(input, path))) return false
    return name.endsWith('.log') || isNamed(name)
  }
}

/**
 * Matches paths, with slashes and without a leading one, against a .gitignore. Patterns with
 * character classes or backslashes match nothing.
 */
export function gitignore(text: string): (path: string) => boolean {
  const rules = text
    .split(/\r?\n/)
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#') && !/[[\]\\]/.test(line))
    .map(line => ({ isNamed: !line.startsWith('!'), pattern: toPattern(line.replace(/^!/, '')) }))
  return path => rules.findLast(({ pattern }) => pattern.test(path))?.isNamed === true
}

function toPattern(line: string): RegExp {
  const text = line.replace(/\/$/, '')
  const isAnchored = text.includes('/')
  const source = text
    .replace(/^\//, '')
    .replace(/[.+^${}()|]/g, '\\$&')
    .replace(/\*\*\/|\*\*|\*|\?/g, wildcard => WILDCARDS[wildcard]!)
  return new RegExp(`^${isAnchored ? '' : '(?:.*/)?'}${source}(?:/.*)?$`)
}

const WILDCARDS: Readonly<Record<string, string>> = {
  '**/': '(?:.*/)?',
  '**': '.*',
  '*': '[^/]*',
  '?': '[^/]',
}

function isOfTools(name: string): boolean {
  return (name.startsWith('.') && name !== '.well-known') || TOOL_FOLDERS.has(name)
}

function isBuilt(path: string, site: Project['site']): boolean {
  if (site?.build === undefined) return false
  return isWithin(path, site.directory) || path.startsWith(`${site.directory}.`)
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder + sep)
}

/** The file that standard output or error was sent to, so that a line said of a change is none. */
function outputFile(descriptor: number): Stats[] {
  try {
    const info = fstatSync(descriptor)
    return info.isFile() ? [info] : []
  } catch {
    return []
  }
}

function isOneOf(path: string, files: readonly Stats[]): boolean {
  const info = lstatSync(path, { throwIfNoEntry: false })
  return info !== undefined && files.some(({ dev, ino }) => dev === info.dev && ino === info.ino)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
