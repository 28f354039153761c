// What a visit of the example costs, through the edge to a committed row: cold and warm.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  copyPortfolio,
  moka,
  processorTime,
  remove,
  startCloud,
  temporaryFolder,
  untilIdle,
} from './support/cloud.mjs'
import { Client, visit } from './support/http.mjs'
import { table } from './support/numbers.mjs'
import { progress, runIfMain } from './support/report.mjs'

const VERY_FIRST_RUNS = 3
const FIRST_OF_RUNTIME_RUNS = 7
const COLD_RUNS = 15
const UNCOUNTED_REQUESTS = 3000 // until V8 has compiled what two edge workers and the cloud run
const WARM_REQUESTS = 1000
const CALLS_PER_CLIENT = 5 // the example's limit for a minute

const COLD_TARGET_MS = { python: 40, node: 60 }
const WARM_TARGET_MS = 2

export async function measure() {
  const sections = []
  for (const runtime of ['python', 'node']) {
    const name = runtime === 'python' ? 'Python' : 'Node'
    const cold = await measureCold(runtime)
    const warm = await measureWarm(runtime)
    const target = COLD_TARGET_MS[runtime]
    const ms = answers => answers.map(answer => answer.ms)
    const init = answers => answers.map(answer => answer.initMs)
    const row = (what, values, more = {}) => ({ what, values, unit: 'ms', ...more })
    sections.push(
      [
        `### ${name}`,
        '',
        table([
          row('cold: a new release', ms(cold.redeployed), { target }),
          row('… of it init', init(cold.redeployed)),
          row('cold: a second at once', ms(cold.second), { target }),
          row('… of it init', init(cold.second)),
          row(`cold: the first of ${name}`, ms(cold.first), { target }),
          row('… of it init', init(cold.first)),
          row('very first of all, with initdb', ms(cold.veryFirst)),
          row('warm GET', ms(warm.get), { target: WARM_TARGET_MS }),
          row(
            '… of it the function',
            warm.get.map(answer => answer.fnMs),
          ),
          row('warm POST', ms(warm.post), { target: WARM_TARGET_MS }),
          row(
            '… of it the function',
            warm.post.map(answer => answer.fnMs),
          ),
          row('processor time of a warm GET, all processes', [warm.cpu.GET]),
          row('processor time of a warm POST, all processes', [warm.cpu.POST]),
        ]),
      ].join('\n'),
    )
  }
  return [
    '## Invocations of the example, through the edge',
    '',
    INTRODUCTION,
    '',
    ...sections,
  ].join('\n')
}

const INTRODUCTION = `From the viewer's request to the first byte of the answer: edge worker, Unix socket, function
door, execution environment, PostgreSQL (which flushes each POST to disk before it answers).
Cold ones are POSTs that also connect to the edge. *A new release*: the function's code
has just been changed, its archive is unpacked, a process is forked from Python's zygote or
taken from Node's spare, which is ready again, and connects to the database. *A second at once*: two
requests together while one environment is warm. *The first of the runtime*:
PostgreSQL runs, but no zygote and no spare yet. Warm requests come one
after the other on a kept connection, each thaws the environment, after 3,000 that are not counted
(the first ones take about twice as long, until V8 has compiled what they run). Where other programs run beside, the
processor time says more than the time on the clock.
`

async function measureCold(runtime) {
  const folder = await temporaryFolder()
  const result = { veryFirst: [], first: [], redeployed: [], second: [] }
  try {
    for (let run = 1; run <= VERY_FIRST_RUNS; run++) {
      progress(`${runtime}: very first visit ${run} of ${VERY_FIRST_RUNS}`)
      const project = join(folder, `very-first-${run}`)
      await copyPortfolio(project, runtime)
      await withCloud('dev', project, async (site, idle) => {
        await idle()
        result.veryFirst.push(await visit(site))
      })
    }
    const project = join(folder, 'project')
    await copyPortfolio(project, runtime)
    await withCloud('up', folder, async () => {
      await moka(['deploy'], project, folder)
    })
    for (let run = 1; run <= FIRST_OF_RUNTIME_RUNS; run++) {
      progress(`${runtime}: first visit ${run} of ${FIRST_OF_RUNTIME_RUNS}`)
      await withCloud('up', folder, async (site, idle) => {
        await startDatabase(project, folder, run)
        await idle()
        result.first.push(await visit(site))
      })
    }
    await withCloud('up', folder, async (site, idle) => {
      await visit(site)
      for (let run = 1; run <= COLD_RUNS; run++) {
        progress(`${runtime}: cold visit ${run} of ${COLD_RUNS}`)
        await changeFunction(project, runtime, run)
        await moka(['deploy'], project, folder)
        await idle()
        result.redeployed.push(isCold(await visit(site)))
        await idle()
        const both = await Promise.all([visit(site), visit(site)])
        result.second.push(...both.filter(answer => answer.initMs !== undefined))
      }
    })
    return result
  } finally {
    await remove(folder)
  }
}

async function measureWarm(runtime) {
  const folder = await temporaryFolder()
  const result = { get: [], post: [], cpu: {} }
  try {
    const project = join(folder, 'project')
    await copyPortfolio(project, runtime)
    await withCloud('up', folder, async (site, idle, pid) => {
      await moka(['deploy'], project, folder)
      await visit(site)
      await idle()
      await callWarm(site, 'GET', UNCOUNTED_REQUESTS)
      for (const method of ['GET', 'POST']) {
        progress(`${runtime}: ${WARM_REQUESTS} warm ${method}`)
        const before = processorTime(pid)
        result[method.toLowerCase()] = await callWarm(site, method, WARM_REQUESTS)
        result.cpu[method] = (processorTime(pid) - before) / WARM_REQUESTS
      }
    })
    return result
  } finally {
    await remove(folder)
  }
}

async function callWarm(site, method, count) {
  const answers = []
  for (let sent = 0; sent < count; ) {
    const client = await Client.open(site)
    for (let call = 1; call <= CALLS_PER_CLIENT; call++, sent++) {
      const answer = await client.request(method, '/api/visits')
      if (answer.status !== 200) throw new Error(`${method} answered ${answer.status}`)
      if (answer.initMs === undefined) answers.push(answer) // else it was not warm
    }
    client.close()
  }
  return answers
}

async function withCloud(command, folder, work) {
  const cloud = await startCloud(command, folder)
  try {
    await work(cloud.addresses.site, () => untilIdle(cloud.pid), cloud.pid)
  } finally {
    await cloud.stop()
  }
}

/** A deploy with a new migration starts PostgreSQL; no function runs. */
async function startDatabase(project, home, run) {
  await writeFile(
    join(project, `migrations/1${String(run).padStart(2, '0')}-nothing.sql`),
    'SELECT 1;\n',
  )
  await moka(['deploy'], project, home)
}

async function changeFunction(project, runtime, run) {
  const file = join(project, 'functions', runtime === 'python' ? 'visits.py' : 'visits.ts')
  const source = (await readFile(file, 'utf8')).replace(/(PAGE = ['"]home)\d*/, `$1${run}`)
  await writeFile(file, source)
}

function isCold(answer) {
  if (answer.initMs === undefined) throw new Error('not a cold answer')
  return answer
}

await runIfMain(import.meta.url, measure)
