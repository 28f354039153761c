import { pathToFileURL } from 'node:url'
import { requireBuild } from './cloud.mjs'

/** Runs a benchmark's `measure` when its file was started by itself, and prints what it found. */
export async function runIfMain(url, measure) {
  if (url !== pathToFileURL(process.argv[1]).href) return
  requireBuild()
  process.stdout.write(`${await measure()}\n`)
  process.exit()
}

export function progress(text) {
  process.stderr.write(`${text} …\n`)
}
