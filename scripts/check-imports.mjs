// Who may import whom (CONTRIBUTING.md has the table). Prints each breach, exits 1 when there is one.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const src = join(root, 'src')

const PARTS = ['dns', 'edge', 'bucket', 'functions', 'database', 'releases', 'pipeline']
const COMMON = ['shared', 'http', 'tls', 'aws']

/** Folder → folders it may import. `types:` means `import type` alone. */
const RULES = {
  shared: [],
  http: ['shared'],
  tls: ['shared', 'http'],
  aws: ['shared', 'http'],
  ...Object.fromEntries(PARTS.map(part => [part, COMMON])),
  config: ['shared', 'http', ...PARTS.map(part => `types:${part}`)],
  control: ['shared', 'http', 'types:config', ...PARTS.map(part => `types:${part}`)],
  // The manifest is the one shape that both halves of a deploy share (decisions/005).
  // A deploy compiles Python with the interpreter that a function would be run by.
  deploy: [
    // A target that keeps releases itself keeps them by the same rules.
    ...['releases/provenance.ts', 'releases/live-pointer.ts', 'releases/difference.ts'],
    'releases/previews/preview-name.ts',
    ...['shared', 'http', 'config', 'types:control', 'types:releases', 'releases/manifest.ts'],
    'types:functions',
    'functions/runtimes/python/interpreter.ts',
    // It looks for links that lead nowhere by the very rules of the edge.
    ...['edge/site/pretty-urls.ts', 'edge/site/paths.ts', 'edge/site/function-routes.ts'],
    'edge/site/release-statement.ts',
    ...['edge/redirects/pattern.ts', 'edge/behaviors/path-pattern.ts'],
    'edge/headers/header-pattern.ts',
    // Migrations on AWS are applied by the very code that applies them at home, run inside the network.
    ...['apply', 'plan', 'check', 'statements'].map(name => `database/migrations/${name}.ts`),
    ...['connect', 'connection-url', 'open-socket'].map(name => `database/client/${name}.ts`),
    // AWS's edge answers with the same words.
    'edge/pages.ts',
    // What a zone is delegated to is asked in the wire format of the server.
    ...['dns/wire/message.ts', 'dns/wire/codes.ts', 'types:dns'],
  ],
  cloud: ['shared', 'http', 'tls', 'aws', 'config', 'control', 'dashboard', ...PARTS],
  cli: ['shared', 'deploy', 'config', 'control', 'cloud', 'types:functions'],
  dashboard: ['shared', 'http', 'control'],
  '.': ['config', 'functions', 'types:dns'],
}
const MAX_LINES = 800
const MAX_FOLDER_FILES = 15
const MAX_SHARED_FILES = 10

const IMPORT =
  /^\s*(?:import|export)\s+(type\s+)?(?:[^'"]*?\sfrom\s+)?['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]\s*\)/gm

const problems = []
for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name)
  if (entry.isDirectory()) checkFolder(path)
  else if (entry.name.endsWith('.ts')) checkFile(path)
}
for (const problem of problems.sort()) console.error(problem)
console.error(
  problems.length === 0 ? 'imports: as they should be' : `imports: ${problems.length} breaches`,
)
process.exit(problems.length === 0 ? 0 : 1)

function checkFolder(path) {
  const files = readdirSync(path, { withFileTypes: true }).filter(entry => entry.isFile()).length
  const limit = relative(src, path) === 'shared' ? MAX_SHARED_FILES : MAX_FOLDER_FILES
  if (files > limit)
    problems.push(`src/${relative(src, path)}: ${files} files, ${limit} are enough; make folders`)
}

function checkFile(path) {
  const name = relative(src, path)
  const text = readFileSync(path, 'utf8')
  const lines = text.split('\n').length
  if (lines > MAX_LINES) problems.push(`src/${name}: ${lines} lines, ${MAX_LINES} are the limit`)
  const isTest = /\.(test|contract)\.ts$/.test(name)
  const from = folderOf(name)
  const allowed = RULES[from]
  if (allowed === undefined) {
    problems.push(`src/${name}: folder "${from}" is not in scripts/check-imports.mjs`)
    return
  }
  for (const [, typeOnly, staticTarget, dynamicTarget] of text.matchAll(IMPORT)) {
    const target = relative(src, resolve(dirname(path), staticTarget ?? dynamicTarget))
    const to = folderOf(target)
    if (to === from || (isTest && target.startsWith('..'))) continue
    const isAllowed =
      allowed.includes(to) ||
      allowed.includes(target) ||
      (typeOnly !== undefined && allowed.includes(`types:${to}`))
    if (!isAllowed) problems.push(`src/${name}: imports ${target}, and ${from} must not`)
  }
  if (/['"]@aws-sdk\//.test(text) && !isTest && !name.startsWith('deploy/targets/aws/')) {
    problems.push(`src/${name}: imports @aws-sdk, which belongs under deploy/targets/aws`)
  }
}

/** The top folder, or `.` for a file that stands in src itself. */
function folderOf(name) {
  return name.includes('/') ? name.slice(0, name.indexOf('/')) : '.'
}
