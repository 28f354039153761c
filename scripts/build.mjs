// Compiles src/ to dist/ and copies what is not TypeScript (the runtimes' own files).
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
rmSync(join(root, 'dist'), { recursive: true, force: true })
execFileSync(
  process.execPath,
  [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json')],
  { stdio: ['ignore', 2, 2] },
)
for (const entry of readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || /\.(?:ts|md|pyc|snap)$/.test(entry.name)) continue
  const from = join(entry.parentPath, entry.name)
  cpSync(from, join(root, 'dist', from.slice(join(root, 'src').length)))
}
chmodSync(join(root, 'dist/cli/main.js'), 0o755)
