// The gate: format and lint, types, import rules, generated docs. Every check runs, so that one
// run shows all there is to mend.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const CHECKS = [
  ['format and lint', 'node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'],
  ['types', 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'],
  ['import rules', 'scripts/check-imports.mjs'],
  ['generated docs', 'scripts/generate-docs.mjs', '--check'],
]

const failed = CHECKS.filter(([name, script, ...args]) => {
  const { status } = spawnSync(process.execPath, [join(process.cwd(), script), ...args], {
    stdio: 'inherit',
  })
  if (status !== 0) console.error(`check: ${name} failed`)
  return status !== 0
})
console.error(`check: ${CHECKS.length - failed.length} of ${CHECKS.length} in order`)
process.exit(failed.length === 0 ? 0 : 1)
