import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const GIT_TIMEOUT_MS = 5000
const MAX_DEPTH = 6
const MAX_ENTRIES = 20_000
const MAX_READ_BYTES = 256 * 1024
/** Folders of other people's files, or of what is made. */
const SKIPPED = new Set(['node_modules', 'dist', 'build', 'out', 'venv', '__pycache__', 'vendor'])

/** A file of tests, and how many are in it. */
export interface TestFile {
  path: string
  tests: number
}

const TEST_FILE = /^(?:test_.+|.+_test)\.py$|\.(?:test|spec|cy)\.[cm]?[jt]sx?$/
const PYTHON_TEST = /^\s*(?:async\s+)?def\s+test\w*\s*\(/gm
const SCRIPT_TEST = /(?:^|[^\w.])(?:test|it)(?:\.\w+)*\s*\(/gm

/** The project's own tests, by their names; a file without a test in it is none. */
export async function findTests(root: string): Promise<TestFile[]> {
  const found: TestFile[] = []
  let entries = 0
  const visit = async (directory: string, depth: number): Promise<void> => {
    for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
      entries += 1
      if (entries > MAX_ENTRIES) return
      const path = join(directory, entry.name)
      if (entry.isDirectory()) {
        const isSkipped = SKIPPED.has(entry.name) || entry.name.startsWith('.')
        if (!isSkipped && depth < MAX_DEPTH) await visit(path, depth + 1)
      } else if (entry.isFile() && TEST_FILE.test(entry.name)) {
        const text = (await readFile(path, 'utf8')).slice(0, MAX_READ_BYTES)
        const pattern = entry.name.endsWith('.py') ? PYTHON_TEST : SCRIPT_TEST
        const tests = [...text.matchAll(pattern)].length
        if (tests > 0) found.push({ path: relative(root, path), tests })
      }
    }
  }
  await visit(root, 0)
  return found
}

/** What git knows of the project; undefined where it is in no repository that has a commit. */
export interface Repository {
  /** Its folder, which the project is in. */
  top: string
  commit: string
  message: string
  /** Name → address without a password. */
  remotes: Record<string, string>
  isConfigTracked: boolean
}

export async function readRepository(root: string): Promise<Repository | undefined> {
  const git = async (...args: string[]) =>
    (await run('git', ['-C', root, ...args], { timeout: GIT_TIMEOUT_MS })).stdout.trim()
  try {
    const [top, log, remotes, tracked] = await Promise.all([
      git('rev-parse', '--show-toplevel'),
      git('log', '-1', '--format=%h%n%s'),
      git('remote', '-v'),
      git('ls-files', '--', 'moka.config.*'),
    ])
    const [commit = '', message = ''] = log.split('\n')
    const lines = remotes.split('\n').map(line => line.split(/\s+/))
    return {
      top,
      commit,
      message,
      remotes: Object.fromEntries(
        lines.flatMap(([name, url]) => (name && url ? [[name, withoutPassword(url)]] : [])),
      ),
      isConfigTracked: tracked !== '',
    }
  } catch {
    return undefined
  }
}

function withoutPassword(address: string): string {
  return address.replace(/^([a-z+]+:\/\/)[^/@]*@/i, '$1')
}

/** What deploys at a push. */
export interface Workflow {
  /** Where it says so, as `.github/workflows/deploy.yml:34`. */
  place: string
  command: string
  /** Whether tests of the project run before it; where they are named, the line. */
  test?: string
}

const WORKFLOW_FOLDERS = [
  '.github/workflows',
  '.gitea/workflows',
  '.forgejo/workflows',
  '.woodpecker',
]
const WORKFLOW_FILES = ['.gitlab-ci.yml', '.woodpecker.yml', 'bitbucket-pipelines.yml']
const DEPLOY = /\bmoka\s+deploy\b[^\n]*/
const TEST =
  /\b(?:pytest|unittest|tox|nox|vitest|jest|mocha|playwright test|cypress run|node --test|(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?test)\b[^\n]*/

/**
 * Workflows that deploy at a push. They are read line by line: what a YAML file says by anchors and
 * includes is not seen.
 */
export async function findWorkflows(
  roots: readonly string[],
  options: { to: 'home' | 'aws'; test: string | undefined },
): Promise<Workflow[]> {
  const found: Workflow[] = []
  for (const root of new Set(roots)) {
    for (const path of await workflowFiles(root)) {
      const lines = (await readFile(join(root, path), 'utf8'))
        .slice(0, MAX_READ_BYTES)
        .split('\n')
        .map(line => line.replace(/(?:^|\s)#.*$/, ''))
      const workflow = readWorkflow(lines, path, options)
      if (workflow !== undefined) found.push(workflow)
    }
  }
  return found
}

async function workflowFiles(root: string): Promise<string[]> {
  const folders = await Promise.all(
    WORKFLOW_FOLDERS.map(async folder => {
      const names: string[] = await readdir(join(root, folder)).catch(() => [])
      return names.filter(name => /\.ya?ml$/.test(name)).map(name => `${folder}/${name}`)
    }),
  )
  const top: string[] = await readdir(root).catch(() => [])
  return [...folders.flat(), ...WORKFLOW_FILES.filter(name => top.includes(name))].sort()
}

function readWorkflow(
  lines: readonly string[],
  path: string,
  { to, test }: { to: 'home' | 'aws'; test: string | undefined },
): Workflow | undefined {
  // Where the forge is GitHub or its like a workflow says when it runs; the others run at every push.
  const saysWhen = path.includes('/workflows/')
  if (
    saysWhen &&
    !lines.some(line => /^\s*(?:['"]?on['"]?:.*\bpush\b|push:|-\s*push\b)/.test(line))
  )
    return undefined
  const isDeploy = (line: string) => {
    const command = DEPLOY.exec(line)?.[0]
    if (command === undefined || /--(?:preview|dry-run|steps)\b/.test(command)) return false
    return /--to[ =]aws\b/.test(command) === (to === 'aws')
  }
  const index = lines.findIndex(isDeploy)
  if (index < 0) return undefined
  const command = DEPLOY.exec(lines[index]!)![0].trim()
  const before = lines
    .slice(0, index)
    .map(line => TEST.exec(line)?.[0])
    .find(line => line !== undefined)
  const ownTest = / --test\b/.test(command) ? test : undefined
  const ran = before?.trim() ?? ownTest
  return { place: `${path}:${index + 1}`, command, ...(ran !== undefined && { test: ran }) }
}

/** The remote of a repository that is a Mokapot cloud, where a push deploys. */
export function cloudRemote({ remotes }: Repository, project: string): string | undefined {
  return Object.entries(remotes).find(
    ([, url]) =>
      /^https?:/.test(url) && basename(url) === `${project}.git` && /\/git\/[^/]+$/.test(url),
  )?.[0]
}
