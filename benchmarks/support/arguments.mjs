import { pathToFileURL } from 'node:url'

/** What a benchmark was given when it was started by itself; run.mjs has arguments of its own. */
export function argumentsOf(url) {
  return url === pathToFileURL(process.argv[1]).href ? process.argv.slice(2) : []
}
