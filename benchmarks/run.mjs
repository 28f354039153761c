// Runs every benchmark and writes RESULTS.md: node benchmarks/run.mjs [name…]
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { requireBuild } from './support/cloud.mjs'

/** What the edge's other targets are about; each can be run by itself. */
const EDGE_PARTS = ['edge-mixed', 'edge-release', 'edge-idle']
const BENCHMARKS = [
  ...['start', 'invocations', 'deploys', 'aws', 'memory', 'edge', 'cache'],
  ...EDGE_PARTS,
]
const FILE = fileURLToPath(new URL('./RESULTS.md', import.meta.url))

requireBuild()
let loadBefore = 0
const names = process.argv.length > 2 ? process.argv.slice(2) : BENCHMARKS
for (const name of names) {
  if (!BENCHMARKS.includes(name)) {
    process.stderr.write(`there is no benchmark "${name}"\ntry: ${BENCHMARKS.join(', ')}\n`)
    process.exit(2)
  }
  loadBefore = loadavg()[0]
  const { measure } = await import(`./${name}.mjs`)
  const section = `${await measure()}\n\n${machine()}`
  process.stdout.write(`${section}\n\n`)
  writeSection(name, section)
}
process.exit()

/** Where and when: a figure means nothing without. */
function machine() {
  const all = cpus()
  const date = new Date().toISOString().slice(0, 10)
  const memory = Math.round(totalmem() / 1024 ** 3)
  return `Measured ${date}: ${all.length} cores (${all[0]?.model.trim()}), ${memory} GB, Node ${process.versions.node}, ${process.platform}; load average ${loadBefore.toFixed(1)} before it, of other programs.`
}

/** What stands between a section's two marks is replaced; the text around them is written by hand. */
function writeSection(name, section) {
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`]
  const text = readFileSync(FILE, 'utf8')
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`RESULTS.md has no marks for "${name}"`)
  writeFileSync(FILE, `${text.slice(0, from)}${begin}\n${section}\n${text.slice(to)}`)
}
