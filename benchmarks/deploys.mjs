// A deploy of a large site of which little has changed, from the command to confirmed live.
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { moka, remove, startCloud, temporaryFolder } from './support/cloud.mjs'
import { Client } from './support/http.mjs'
import { table } from './support/numbers.mjs'
import { progress, runIfMain } from './support/report.mjs'

const FILES = 10_000
const CHANGED = 10
const RUNS = 7

export async function measure() {
  const folder = await temporaryFolder()
  const run = promisify(execFile)
  try {
    const project = join(folder, 'project')
    const site = join(project, 'dist')
    progress(`writing ${FILES} files`)
    await writeSite(project)
    const cloud = await startCloud('up', folder)
    try {
      progress('first deploy')
      const first = await moka(['deploy'], project, folder)
      const again = []
      for (let round = 1; round <= RUNS; round++) {
        progress(`deploy ${round} of ${RUNS}`)
        const paths = Array.from({ length: CHANGED }, (_, index) => (index * 997 + round) % FILES)
        for (const index of paths) await writeFile(join(site, pathOf(index)), page(index, round))
        const { ms, result } = await moka(['deploy'], project, folder)
        if (result.files.changed !== CHANGED || result.confirmedBy.length === 0) {
          throw new Error(`not the deploy that was meant: ${JSON.stringify(result)}`)
        }
        for (const index of paths) await expectLive(cloud.addresses.site, index, round)
        again.push(ms)
      }
      const none = (await moka(['deploy'], project, folder)).ms
      const floors = []
      for (const [what, command] of [
        ['`cp -r` of the same files', ['cp', '-r', site, join(folder, 'copy')]],
        ['`rsync -a`, 10 changed', ['rsync', '-a', `${site}/`, join(folder, 'copy')]],
      ]) {
        for (let index = 0; index < CHANGED; index++) {
          await writeFile(join(site, pathOf(index)), page(index, 'floor'))
        }
        const startMs = performance.now()
        const done = await run(command[0], command.slice(1)).catch(() => undefined)
        if (done !== undefined)
          floors.push({ what, values: [performance.now() - startMs], unit: 'ms' })
      }
      return [
        `## Deploy of ${FILES} files of 1–4 KB HTML`,
        '',
        'From the start of `moka deploy` to its end, when every edge worker has confirmed the release,',
        'against a running `moka up` with as many edge workers as cores. Every changed page is then read back.',
        '',
        table([
          { what: `${CHANGED} changed`, values: again, unit: 'ms', target: 2000 },
          { what: 'none changed', values: [none], unit: 'ms' },
          { what: 'the first deploy, all new, two encodings each', values: [first.ms], unit: 'ms' },
          ...floors,
        ]),
      ].join('\n')
    } finally {
      await cloud.stop()
    }
  } finally {
    await remove(folder)
  }
}

async function expectLive(site, index, round) {
  const client = await Client.open(site)
  const answer = await client.request('GET', `/${pathOf(index)}`.replace(/\.html$/, ''))
  client.close()
  if (answer.status !== 200 || answer.body !== page(index, round)) {
    throw new Error(`page ${index} is not live: ${answer.status}`)
  }
}

async function writeSite(project) {
  for (let index = 0; index < FILES; index++) {
    const file = join(project, 'dist', pathOf(index))
    if (index % 100 === 0) await mkdir(dirname(file), { recursive: true })
    await writeFile(file, page(index, 0))
  }
  await writeFile(join(project, 'moka.config.ts'), "export default { name: 'large' }\n")
}

function pathOf(index) {
  return `section-${Math.floor(index / 100)}/page-${index}.html`
}

/** HTML of 1 to 4 KB, the same for the same index and round. */
function page(index, round) {
  const words = []
  let state = index * 7919 + 17
  for (let sizeBytes = 0; sizeBytes < 900 + ((index * 31) % 3000); ) {
    state = (state * 1103515245 + 12345) % 2147483648
    const word = WORDS[state % WORDS.length] + (state % 97 === 0 ? state.toString(36) : '')
    sizeBytes += word.length + 1
    words.push(word)
  }
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Page ${index}</title></head>\n<body><h1>Page ${index}</h1><p>Edition ${round}</p><p>${words.join(' ')}</p></body></html>\n`
}

const WORDS =
  'coffee water steam copper kettle morning light window garden river stone paper letter music quiet machine office harbour winter forest station bridge silver orange cup of the and a in with from under over'.split(
    ' ',
  )

await runIfMain(import.meta.url, measure)
