// A deploy of a large site to AWS of which little has changed, beside `aws s3 sync` of the same.
import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { loadProject } from '../dist/config/load.js'
import { siteTemplate } from '../dist/deploy/targets/aws/template/template.js'
import { loadTestAws } from './support/aws.mjs'
import { copyPortfolio, ROOT, remove, temporaryFolder } from './support/cloud.mjs'
import { median, show, table } from './support/numbers.mjs'
import { progress, runIfMain } from './support/report.mjs'

const run = promisify(execFile)
const FILES = Number(process.env.MOKA_BENCHMARK_FILES ?? 10_000)
const CHANGED = 10
const RUNS = 5
const REGION = 'eu-central-1'

export async function measure() {
  const { noAws, startAws, startEdge } = await loadTestAws()
  if (noAws !== undefined) return `## Deploy to AWS\n\nNot measured: ${noAws}.`
  const folder = await temporaryFolder()
  const aws = await startAws(REGION)
  const edge = await startEdge(aws, 'large', REGION)
  const env = { ...process.env, ...aws.env, MOKA_AWS_SITE: edge.address }
  try {
    progress(`writing ${FILES} files`)
    await writeSite(folder)
    progress('first deploy')
    const deploy = () =>
      timed(process.execPath, [MAIN, 'deploy', '--to', 'aws', '--json'], folder, env)
    const first = await deploy()
    progress('first sync')
    await makeBucket(aws)
    const sync = () =>
      timed('aws', ['s3', 'sync', 'dist', `s3://${BUCKET}`, '--delete'], folder, env)
    const firstSync = await sync()
    const rounds = await changeAndDeploy(folder, aws, { deploy, sync })
    const none = await deploy()
    const template = await timeTemplate()
    return report({ first, firstSync, none, template, ...rounds })
  } finally {
    await edge.close()
    await aws.close()
    await remove(folder)
  }
}

const MAIN = join(ROOT, 'dist/cli/main.js')
const BUCKET = 'synced'

/** In turns, so that what else the machine does hits both. */
async function changeAndDeploy(folder, aws, { deploy, sync }) {
  const ours = []
  const theirs = []
  const calls = []
  const theirCalls = []
  let stackWrites = 0
  for (let round = 1; round <= RUNS; round++) {
    progress(`deploy ${round} of ${RUNS}`)
    for (let index = 0; index < CHANGED; index++) {
      const number = (index * 997 + round) % FILES
      await writeFile(join(folder, 'dist', pathOf(number)), page(number, round))
    }
    aws.faults.forgetCalls()
    ours.push(await deploy())
    calls.push(aws.faults.count('s3:*'))
    for (const name of ['CreateChangeSet', 'ExecuteChangeSet', 'UpdateStack']) {
      stackWrites += aws.faults.count(`cloudformation:${name}`)
    }
    aws.faults.forgetCalls()
    theirs.push(await sync())
    theirCalls.push(aws.faults.count('s3:*'))
  }
  return { ours, theirs, calls, theirCalls, stackWrites }
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

function report({
  first,
  firstSync,
  none,
  template,
  ours,
  theirs,
  calls,
  theirCalls,
  stackWrites,
}) {
  const ratio = show(median(theirs) / median(ours))
  return [
    `## Deploy of ${FILES} files to AWS`,
    '',
    'Against moto on loopback behind a stand-in for what it lacks, both commands from start to end, in',
    `turns; ${CHANGED} pages change in each. moto answers one call at a time, some 5 to 20 ms each, which`,
    'is about what S3 takes of one connection.',
    '',
    table([
      { what: `\`moka deploy --to aws\`, ${CHANGED} changed`, values: ours, unit: 'ms' },
      { what: `\`aws s3 sync\`, ${CHANGED} changed`, values: theirs, unit: 'ms' },
      { what: 'calls of S3 by `moka deploy`', values: calls, unit: 'calls', target: CHANGED + 21 },
      { what: 'calls of S3 by `aws s3 sync`', values: theirCalls, unit: 'calls' },
      { what: '`moka deploy`, none changed', values: [none], unit: 'ms' },
      { what: 'first `moka deploy`, with its stack', values: [first], unit: 'ms' },
      { what: 'first `aws s3 sync`', values: [firstSync], unit: 'ms' },
      { what: 'template of the example', values: template, unit: 'ms', target: 200 },
    ]),
    '',
    `\`aws s3 sync\` takes ${ratio} × as long as the deploy (target: 2 × at least). Changes of the stack`,
    `by deploys that change files alone: ${stackWrites}.`,
  ].join('\n')
}

async function timed(command, args, cwd, env) {
  const startMs = performance.now()
  await run(command, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 })
  return performance.now() - startMs
}

async function makeBucket(aws) {
  const credentials = { accessKeyId: 'AKIATEST', secretAccessKey: 'secret' }
  const s3 = new S3Client({
    endpoint: aws.endpoint,
    region: REGION,
    credentials,
    forcePathStyle: true,
  })
  const CreateBucketConfiguration = { LocationConstraint: REGION }
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET, CreateBucketConfiguration }))
}

async function writeSite(folder) {
  for (let index = 0; index < FILES; index++) {
    const file = join(folder, 'dist', pathOf(index))
    if (index % 100 === 0) await mkdir(dirname(file), { recursive: true })
    await writeFile(file, page(index, 0))
  }
  await writeFile(join(folder, 'moka.config.ts'), "export default { name: 'large' }\n")
}

function pathOf(index) {
  return `section-${Math.floor(index / 100)}/page-${index}.html`
}

function page(index, round) {
  return `<!doctype html>\n<title>Page ${index}</title>\n<p>Edition ${round}</p>\n${`<p>Text of page ${index}.</p>\n`.repeat(40 + (index % 60))}`
}

await runIfMain(import.meta.url, measure)
