// For `node --import`: writes the URL of every module that a process loads into the file that
// MOKA_TEST_MODULES names, those of its child processes and workers as well.
import { appendFileSync } from 'node:fs'
import { register } from 'node:module'

const file = process.env.MOKA_TEST_MODULES

if (file !== undefined) register(import.meta.url)

export async function load(url, context, nextLoad) {
  if (file !== undefined && !url.startsWith('node:')) appendFileSync(file, `${url}\n`)
  return nextLoad(url, context)
}
