// A deploy of a large site of which little has changed, from the command to confirmed live.
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { loadProject } from '../dist/config/load.js'
import { createControlClient } from '../dist/control/client.js'
import { deploy } from '../dist/deploy/deploy.js'
import { moka, peakMemoryMb, remove, startCloud, temporaryFolder } from './support/cloud.mjs'
import { pushPlainSite } from './support/git-push.mjs'
import { Client } from './support/http.mjs'
import { show, table } from './support/numbers.mjs'
import { progress, runIfMain } from './support/report.mjs'

const FILES = 10_000
const CHANGED = 10
const RUNS = 7
const MANY_FILES = 50_000
const POLL_MS = 1

export async function measure() {
  const folder = await temporaryFolder()
  try {
    const project = join(folder, 'project')
    progress(`writing ${FILES} files`)
    await writeSite(project, FILES, page)
    const cloud = await startCloud('up', folder)
    try {
      progress('first deploy')
      const first = await moka(['deploy'], project, folder)
      const { again, serverMs } = await deployChanges(project, folder, cloud)
      const none = (await moka(['deploy'], project, folder)).ms
      progress('roll back, and forth')
      const rollbacks = await rollBack(folder)
      const gap = await measureGap(project, folder, cloud)
      // From here on there are two projects, and the first answers to its name alone.
      progress('git push')
      const pushes = await pushPlainSite(folder, cloud, { files: 50, runs: RUNS })
      const copies = await copyFloors(join(project, 'dist'), folder)
      progress(`${MANY_FILES} files`)
      const many = await deployMany(join(folder, 'many'), folder)
      return [
        `## Deploy of ${FILES} files of 1–4 KB HTML`,
        '',
        'From the start of `moka deploy` to its end, when every edge worker has confirmed the release,',
        'against a running `moka up` with as many edge workers as cores. Every changed page is then read back.',
        '',
        table([
          { what: `${CHANGED} changed`, values: again, unit: 'ms', target: 1000 },
          { what: 'of that, waiting for the cloud', values: serverMs, unit: 'ms', target: 300 },
          { what: 'none changed', values: [none], unit: 'ms' },
          {
            what: 'the first deploy, all new, two encodings each',
            values: [first.ms],
            unit: 'ms',
            target: 8000,
          },
          { what: 'roll back, at the control API', values: rollbacks, unit: 'ms', target: 200 },
          {
            what: '`git push` of a plain site of 51 files, 1 changed',
            values: pushes.slice(1),
            unit: 'ms',
            target: 1500,
          },
          ...copies,
          { what: `first deploy of ${MANY_FILES} small files`, values: [many.ms], unit: 'ms' },
          { what: 'memory of its client at most', values: [many.peakMb], unit: 'MB', target: 200 },
        ]),
        '',
        `While the page changed ${gap.deploys} times, two viewers asked for it every ${POLL_MS} ms, one on a`,
        `connection that he kept and one on a new one each time: ${gap.asked} answers, ${gap.failed} failed,`,
        `${gap.wrong} of neither release, and ${gap.back} times the older page after the newer on the kept`,
        `connection. From the first new page to the last old one, on any worker: ${show(gap.overlapMs)} ms at most.`,
      ].join('\n')
    } finally {
      await cloud.stop()
    }
  } finally {
    await remove(folder)
  }
}

async function deployChanges(project, folder, cloud) {
  const again = []
  const serverMs = []
  for (let round = 1; round <= RUNS; round++) {
    progress(`deploy ${round} of ${RUNS}`)
    const paths = Array.from({ length: CHANGED }, (_, index) => (index * 997 + round) % FILES)
    for (const index of paths)
      await writeFile(join(project, 'dist', pathOf(index)), page(index, round))
    const { ms, result } = await moka(['deploy'], project, folder)
    if (result.files.changed !== CHANGED || result.confirmedBy.length === 0) {
      throw new Error(`not the deploy that was meant: ${JSON.stringify(result)}`)
    }
    for (const index of paths) await expectLive(cloud.addresses.site, index, round)
    again.push(ms)
    serverMs.push(await waitedFor(project, folder, paths, `again ${round}`))
  }
  return { again, serverMs }
}

/** The same deploy within this process: how long its calls of the control API take. */
async function waitedFor(project, folder, paths, edition) {
  for (const index of paths)
    await writeFile(join(project, 'dist', pathOf(index)), page(index, edition))
  let waitedMs = 0
  const client = await connect(folder)
  const timed = Object.fromEntries(
    Object.entries(client).map(([name, call]) => [
      name,
      async (...args) => {
        const startMs = performance.now()
        try {
          return await call(...args)
        } finally {
          waitedMs += performance.now() - startMs
        }
      },
    ]),
  )
  await deploy(await loadProject(project), timed, { clock: { now: () => Date.now() } })
  client.close()
  return waitedMs
}

async function rollBack(folder) {
  const client = await connect(folder)
  const values = []
  for (let round = 0; round < RUNS; round++) {
    const target = (await client.releases('large'))[1 + (round % 2)].id
    const startMs = performance.now()
    await client.rollback('large', target)
    values.push(performance.now() - startMs)
  }
  client.close()
  return values
}

/** What visitors see of activations. */
async function measureGap(project, folder, cloud) {
  progress('visitors during activations')
  const [index, deploys] = [5, 5]
  const path = `/${pathOf(index)}`.replace(/\.html$/, '')
  const seen = { asked: 0, failed: 0, wrong: 0, back: 0, overlapMs: 0 }
  const editions = new Map()
  let isDone = false
  const note = (answer, last) => {
    seen.asked++
    if (answer?.status !== 200) {
      seen.failed++
      return last
    }
    const edition = Number(/<p>Edition gap (\d+)<\/p>/.exec(answer.body)?.[1] ?? -1)
    if (edition < 0) {
      seen.wrong++
      return last
    }
    const times = editions.get(edition) ?? { first: performance.now(), last: 0 }
    times.last = performance.now()
    editions.set(edition, times)
    if (edition < last) seen.back++
    return Math.max(edition, last)
  }
  const change = async edition => {
    await writeFile(join(project, 'dist', pathOf(index)), page(index, `gap ${edition}`))
    await moka(['deploy'], project, folder)
  }
  await change(0)
  const keeping = (async () => {
    const client = await Client.open(cloud.addresses.site)
    for (let last = 0; !isDone; await pause(POLL_MS)) {
      last = note(await client.request('GET', path).catch(() => undefined), last)
    }
    client.close()
  })()
  const fresh = (async () => {
    while (!isDone) {
      const client = await Client.open(cloud.addresses.site)
      const answer = await client.request('GET', path).catch(() => undefined)
      client.close()
      note(answer, -1)
      await pause(POLL_MS)
    }
  })()
  for (let edition = 1; edition <= deploys; edition++) await change(edition)
  isDone = true
  await Promise.all([keeping, fresh])
  for (let edition = 1; edition <= deploys; edition++) {
    const overlapMs = editions.get(edition - 1).last - editions.get(edition).first
    seen.overlapMs = Math.max(seen.overlapMs, overlapMs)
  }
  return { ...seen, deploys }
}

/** What a plain copy of the files costs on this disk. */
async function copyFloors(site, folder) {
  const run = promisify(execFile)
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
    if (done !== undefined) floors.push({ what, values: [performance.now() - startMs], unit: 'ms' })
  }
  return floors
}

async function deployMany(project, folder) {
  await writeSite(project, MANY_FILES, index => `<p>Note ${index}</p>\n`.repeat(8))
  let peakMb = 0
  const { ms } = await moka(['deploy', '--project', 'many'], project, folder, pid => {
    const timer = setInterval(() => {
      peakMb = Math.max(peakMb, peakMemoryMb(pid))
    }, 20)
    return () => clearInterval(timer)
  })
  return { ms, peakMb }
}

async function connect(folder) {
  const { addresses, token } = JSON.parse(await readFile(join(folder, 'cloud.json'), 'utf8'))
  return createControlClient(addresses.control, token)
}

function pause(ms) {
  return new Promise(resolve => setTimeout(resolve, ms))
}

async function expectLive(site, index, round) {
  const client = await Client.open(site)
  const answer = await client.request('GET', `/${pathOf(index)}`.replace(/\.html$/, ''))
  client.close()
  if (answer.status !== 200 || answer.body !== page(index, round)) {
    throw new Error(`page ${index} is not live: ${answer.status}`)
  }
}

async function writeSite(project, files, textOf) {
  for (let index = 0; index < files; index++) {
    const file = join(project, 'dist', pathOf(index))
    if (index % 100 === 0) await mkdir(dirname(file), { recursive: true })
    await writeFile(file, textOf(index, 0))
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
