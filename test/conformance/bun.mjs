// Runs the edge's tests on Bun, whose sockets are its second transport:
//
//   node test/conformance/bun.mjs PATH_OF_BUN
//
// First all of src/edge inside Bun; then, on Node, what test/e2e has of edge workers and
// HTTPS, with workers that run on Bun. Needs a build. Prints what is not as expected and a
// count. Exit 0 when all is as expected, 1 otherwise, 2 for wrong usage.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs')
const TIMEOUT_MS = 600_000

/** Tests that fail on Bun, `file > name`, with the reason; one that passes nevertheless is wrong too. */
const EXPECTED_FAILURES = new Map([])

const WITH_WORKERS = ['edge-workers', 'worker-loss', 'https'].map(
  name => `test/e2e/${name}.test.ts`,
)

const [bun] = process.argv.slice(2)
const version = bun && spawnSync(bun, ['--version'], { encoding: 'utf8' })
if (version?.status !== 0) {
  const reason = version?.error?.message ?? version?.stderr
  if (reason) console.error(`cannot run "${bun}": ${reason}`)
  console.error('usage: node test/conformance/bun.mjs PATH_OF_BUN')
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'moka-bun-'))
try {
  const inside = run(bun, ['--bun', VITEST, 'run', 'src/edge'], {})
  const beside = run(process.execPath, [VITEST, 'run', ...WITH_WORKERS], {
    MOKA_BUN: bun,
    MOKA_TEST_EDGE_RUNTIME: 'bun',
  })
  const failed = new Map([...inside.failed, ...beside.failed])
  const unexpected = [...failed].filter(([name]) => !EXPECTED_FAILURES.has(name))
  const repaired = [...EXPECTED_FAILURES.keys()].filter(name => !failed.has(name))
  for (const [name, reason] of unexpected) console.log(`failed: ${name}\n${reason}`)
  for (const name of repaired) console.log(`expected to fail, and passed: ${name}`)
  const passed = inside.passed + beside.passed
  console.log(
    `Bun ${version.stdout.trim()}: ${passed} passed, ${unexpected.length + repaired.length} not as expected, ${EXPECTED_FAILURES.size} expected to fail`,
  )
  process.exitCode = unexpected.length + repaired.length > 0 || passed === 0 ? 1 : 0
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** What passed and what failed, with the first lines of why. */
function run(program, args, env) {
  const report = join(folder, 'report.json')
  const { stderr, error } = spawnSync(
    program,
    [...args, '--reporter=json', `--outputFile=${report}`],
    {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: '1', ...env },
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      timeout: TIMEOUT_MS,
    },
  )
  const failed = new Map()
  try {
    const { testResults, numPassedTests, success } = JSON.parse(readFileSync(report, 'utf8'))
    for (const { name, message, assertionResults } of testResults) {
      const file = relative(ROOT, name)
      if (assertionResults.length === 0) failed.set(file, message)
      for (const { status, fullName, failureMessages } of assertionResults) {
        if (status !== 'failed') continue
        failed.set(`${file} > ${fullName}`, failureMessages.join('\n').split('\n', 8).join('\n'))
      }
    }
    if (!success && failed.size === 0) failed.set('an error outside the tests', stderr)
    return { failed, passed: numPassedTests }
  } catch {
    failed.set(`${args.slice(1).join(' ')}`, error?.message ?? stderr)
    return { failed, passed: 0 }
  } finally {
    rmSync(report, { force: true })
  }
}
