// How long `moka dev --json` takes from its start to its line of addresses.
import { join } from 'node:path'
import { copyPortfolio, remove, startCloud, temporaryFolder } from './support/cloud.mjs'
import { Client } from './support/http.mjs'
import { table } from './support/numbers.mjs'
import { progress, runIfMain } from './support/report.mjs'

const FIRST_RUNS = 5
const WARM_RUNS = 9

export async function measure() {
  const folder = await temporaryFolder()
  try {
    const first = []
    for (let run = 1; run <= FIRST_RUNS; run++) {
      progress(`first start ${run} of ${FIRST_RUNS}`)
      const project = join(folder, String(run))
      await copyPortfolio(project)
      first.push(await startOnce(project))
    }
    const warm = []
    for (let run = 1; run <= WARM_RUNS; run++) {
      progress(`warm start ${run} of ${WARM_RUNS}`)
      warm.push(await startOnce(join(folder, '1')))
    }
    return [
      '## Start: `moka dev --json` of the example until it is ready',
      '',
      'From the start of the process to its line of addresses, with the build of the site. The',
      'first time there is no data directory and no build yet; PostgreSQL is not initialised by it.',
      '',
      table([
        { what: 'the first time', values: first, unit: 'ms', target: 4000 },
        { what: 'warm data directory', values: warm, unit: 'ms', target: 1000 },
      ]),
    ].join('\n')
  } finally {
    await remove(folder)
  }
}

async function startOnce(project) {
  const cloud = await startCloud('dev', project)
  try {
    const client = await Client.open(cloud.addresses.site)
    const { status } = await client.request('GET', '/')
    client.close()
    if (status !== 200) throw new Error(`ready, but the site answers ${status}`)
    return cloud.readyMs
  } finally {
    await cloud.stop()
  }
}

await runIfMain(import.meta.url, measure)
