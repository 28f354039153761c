// A deploy of a large site to AWS of which little has changed, beside `aws s3 sync` of the same, on moto
// and on other servers of S3 that MOKA_BENCHMARK_S3 names; and what precedes a deploy: doctor, template.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { loadProject } from '../dist/config/load.js'
import { siteTemplate } from '../dist/deploy/targets/aws/template/template.js'
import { loadTestAws } from './support/aws.mjs'
import { copyPortfolio, ROOT, remove, temporaryFolder } from './support/cloud.mjs'
import { median, show, table } from './support/numbers.mjs'
import { progress, runIfMain } from './support/report.mjs'
import {
  clientOf,
  copyBucket,
  makeBucket,
  openEndpoint,
  readEndpoints,
  removeBucket,
} from './support/s3-endpoints.mjs'

const run = promisify(execFile)
const FILES = Number(process.env.MOKA_BENCHMARK_FILES ?? 10_000)
const CHANGED = 10
const RUNS = 5
const DOCTOR_RUNS = 10
const REGION = 'eu-central-1'
const MAIN = join(ROOT, 'dist/cli/main.js')

export async function measure() {
  const others = readEndpoints(process.env.MOKA_BENCHMARK_S3)
  const testAws = await loadTestAws()
  const { noAws, startAws } = testAws
  if (noAws !== undefined) return `## Deploy to AWS\n\nNot measured: ${noAws}.`
  const aws = await startAws(REGION)
  try {
    const rows = []
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = aws.env
    const keys = { accessKeyId, secretAccessKey }
    const atMoto = clientOf(aws.motoEndpoint, keys, REGION)
    const moto = { name: 'moto', address: aws.motoEndpoint, keys }
    for (const [index, each] of [moto, ...others].entries()) {
      const endpoint = await openEndpoint(each, testAws, REGION)
      if (each === moto) endpoint.client = atMoto
      try {
        rows.push(await measureEndpoint(`large-${index}`, endpoint, atMoto, aws, testAws))
      } finally {
        await endpoint.close()
      }
    }
    return report({ rows, template: await timeTemplate(), doctor: await timeDoctor(aws) })
  } finally {
    await aws.close()
  }
}

/** A project of its own: the stack is made with one page, then the bucket is moved to the endpoint. */
async function measureEndpoint(project, endpoint, motoClient, aws, { startEdge }) {
  const { name, client } = endpoint
  const folder = await temporaryFolder()
  // The site is asked for its release after each deploy, as CloudFront would answer.
  const behind = { ...aws, motoEndpoint: endpoint.endpoint, env: { ...aws.env, ...endpoint.env } }
  const edge = await startEdge(behind, project, REGION)
  const first = await startEdge(aws, project, REGION)
  const atMoto = { ...process.env, ...aws.env, MOKA_AWS_SITE: first.address }
  const env = { ...process.env, ...behind.env, MOKA_AWS_SITE: edge.address }
  const buckets = []
  try {
    progress(`${name}: making the stack`)
    await writeSite(folder, project, 1)
    const [command, ...args] = [process.execPath, MAIN, 'deploy', '--to', 'aws', '--json']
    const stack = await timed(command, args, folder, atMoto)
    if (client !== motoClient) {
      buckets.push(await copyBucket(motoClient, client, `mokapot-${project}-bucket`, REGION))
    }
    progress(`${name}: writing ${FILES} files`)
    await writeSite(folder, project, FILES)
    progress(`${name}: first deploy`)
    const deploy = () => timed(command, args, folder, env)
    const large = await deploy()
    progress(`${name}: first sync`)
    const synced = `moka-benchmark-${randomBytes(6).toString('hex')}`
    await makeBucket(client, synced, REGION)
    if (client !== motoClient) buckets.push(synced)
    const sync = () =>
      timed('aws', ['s3', 'sync', 'dist', `s3://${synced}`, '--delete'], folder, env)
    const firstSync = await sync()
    const rounds = await changeAndDeploy(folder, endpoint, aws, { deploy, sync })
    return { name, stack, large, firstSync, none: await deploy(), ...rounds }
  } finally {
    for (const bucket of buckets) {
      progress(`${name}: removing bucket ${bucket}`)
      await removeBucket(client, bucket).catch(error =>
        progress(`it stays, for ${error.name}: ${error.message}`),
      )
    }
    await edge.close()
    await first.close()
    await remove(folder)
  }
}

/** In turns, so that what else the machine does hits both. */
async function changeAndDeploy(folder, endpoint, aws, { deploy, sync }) {
  const found = { ours: [], theirs: [], calls: [], theirCalls: [], stackWrites: 0 }
  const count = endpoint.calls ?? (() => undefined)
  for (let round = 1; round <= RUNS; round++) {
    progress(`${endpoint.name}: deploy ${round} of ${RUNS}`)
    for (let index = 0; index < CHANGED; index++) {
      const number = (index * 997 + round) % FILES
      await writeFile(join(folder, 'dist', pathOf(number)), page(number, round))
    }
    aws.faults.forgetCalls()
    endpoint.forgetCalls()
    found.ours.push(await deploy())
    found.calls.push(count())
    for (const name of ['CreateChangeSet', 'ExecuteChangeSet', 'UpdateStack']) {
      found.stackWrites += aws.faults.count(`cloudformation:${name}`)
    }
    endpoint.forgetCalls()
    found.theirs.push(await sync())
    found.theirCalls.push(count())
  }
  return found
}

/** Of the example: functions, a database, a domain. */
async function timeTemplate() {
  const folder = await temporaryFolder()
  try {
    await copyPortfolio(folder)
    const project = await loadProject(folder)
    const values = []
    for (let round = 0; round < 20; round++) {
      const startMs = performance.now()
      JSON.stringify(siteTemplate(project))
      values.push(performance.now() - startMs)
    }
    return values
  } finally {
    await remove(folder)
  }
}

/**
 * The whole command, of a project that has a domain, a function and a database: where AWS answers, and
 * where a server takes each connection and says nothing.
 */
async function timeDoctor(aws) {
  const folder = await temporaryFolder()
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const silence = `http://127.0.0.1:${silent.address().port}`
  const found = { answered: [], silent: [] }
  try {
    await writeFile(join(folder, 'moka.config.ts'), DOCTORED)
    await mkdir(join(folder, 'dist'))
    await writeFile(join(folder, 'dist/index.html'), page(0, 0))
    await writeFile(join(folder, 'count.py'), 'def handler(event, context):\n  return {}\n')
    const env = { ...process.env, ...aws.env }
    for (let round = 1; round <= DOCTOR_RUNS; round++) {
      progress(`doctor ${round} of ${DOCTOR_RUNS}`)
      found.answered.push(await doctor(folder, env))
      found.silent.push(await doctor(folder, { ...env, AWS_ENDPOINT_URL: silence }))
    }
    return found
  } finally {
    silent.close()
    await remove(folder)
  }
}

const DOCTORED = `export default {
  name: 'doctored',
  domain: 'doctored.example',
  functions: { count: { entry: 'count.py', routes: ['/api/count'] } },
  aws: { region: '${REGION}', database: 'rds' },
}
`

/** It ends with 1 where it has found what stops a deploy, as it does where nothing answers. */
async function doctor(folder, env) {
  const startMs = performance.now()
  const args = [MAIN, 'doctor', '--to', 'aws', '--json']
  const { stdout } = await run(process.execPath, args, { cwd: folder, env }).catch(error => error)
  const ms = performance.now() - startMs
  JSON.parse(stdout)
  return ms
}

function report({ rows, template, doctor }) {
  return [
    `## Deploy of ${FILES} files to AWS`,
    '',
    'Against moto on loopback and a stand-in for what it lacks, the bucket on the server of S3 that is named; both',
    `commands from start to end, in turns; ${CHANGED} pages change in each. moto answers one call at a time, some 5 to`,
    '20 ms each, which is about what S3 takes of one connection.',
    ...rows.flatMap(reportEndpoint),
    '',
    '### Before a deploy',
    '',
    table([
      { what: 'template of the example', values: template, unit: 'ms', target: 200 },
      { what: '`moka doctor --to aws`', values: doctor.answered, unit: 'ms', target: 5000 },
      { what: 'the same, nothing answers', values: doctor.silent, unit: 'ms', target: 5000 },
    ]),
  ].join('\n')
}

function reportEndpoint({ name, stack, large, firstSync, none, stackWrites, ...rounds }) {
  const { ours, theirs, calls, theirCalls } = rounds
  const ratio = show(median(theirs) / median(ours))
  const most = CHANGED + 21
  const counted =
    calls[0] === undefined
      ? []
      : [
          { what: 'calls of S3 by `moka deploy`', values: calls, unit: 'calls', target: most },
          { what: 'calls of S3 by `aws s3 sync`', values: theirCalls, unit: 'calls' },
        ]
  return [
    '',
    `### S3: ${name}`,
    '',
    table([
      { what: `\`moka deploy --to aws\`, ${CHANGED} changed`, values: ours, unit: 'ms' },
      { what: `\`aws s3 sync\`, ${CHANGED} changed`, values: theirs, unit: 'ms' },
      ...counted,
      { what: '`moka deploy`, none changed', values: [none], unit: 'ms' },
      { what: 'first `moka deploy` of one page, with its stack', values: [stack], unit: 'ms' },
      { what: 'first `moka deploy` of all', values: [large], unit: 'ms' },
      { what: 'first `aws s3 sync`', values: [firstSync], unit: 'ms' },
    ]),
    '',
    `\`aws s3 sync\` takes ${ratio} × as long as the deploy (target: 2 × at least). Changes of the stack`,
    `by deploys that change files alone: ${stackWrites}.`,
  ]
}

async function timed(command, args, cwd, env) {
  const startMs = performance.now()
  await run(command, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 })
  return performance.now() - startMs
}

async function writeSite(folder, name, files) {
  for (let index = 0; index < files; index++) {
    const file = join(folder, 'dist', pathOf(index))
    if (index % 100 === 0) await mkdir(dirname(file), { recursive: true })
    await writeFile(file, page(index, 0))
  }
  await writeFile(join(folder, 'moka.config.ts'), `export default { name: '${name}' }\n`)
}

function pathOf(index) {
  return `section-${Math.floor(index / 100)}/page-${index}.html`
}

function page(index, round) {
  return `<!doctype html>\n<title>Page ${index}</title>\n<p>Edition ${round}</p>\n${`<p>Text of page ${index}.</p>\n`.repeat(40 + (index % 60))}`
}

await runIfMain(import.meta.url, measure)
