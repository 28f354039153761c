// What the whole cloud holds in memory while nobody asks for anything.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  copyPortfolio,
  moka,
  processTree,
  remove,
  startCloud,
  temporaryFolder,
} from './support/cloud.mjs'
import { Client } from './support/http.mjs'
import { show, table } from './support/numbers.mjs'
import { progress, runIfMain } from './support/report.mjs'

const TARGET_MB = 120
/** Long enough for what a start leaves behind to be collected or ended. */
const SETTLE_MS = 5000

export async function measure() {
  if (process.platform !== 'linux') return '## Memory\n\nMeasured on Linux only.'
  const folder = await temporaryFolder()
  try {
    const project = join(folder, 'project')
    await copyPortfolio(project)
    progress('memory of dev, the first time')
    const first = await measureCloud('dev', project)
    progress('memory of dev')
    const dev = await measureCloud('dev', project)
    progress('memory of up')
    const home = join(folder, 'home')
    await copyPortfolio(home) // any folder will do
    const up = await measureCloud('up', home, () => moka(['deploy'], project, home))
    const row = (what, { alone }, target) => ({ what, values: [alone], unit: 'MB', target })
    return [
      '## Memory of the idle cloud',
      '',
      'The proportional set sizes of all its processes, before the first invocation, with the example',
      'live. PSS gives a page that k processes share to each by 1/k, so another Node program on the',
      'machine would make ours look smaller: here file pages of ours count whole, once.',
      '',
      table([
        row('`moka dev`, the first time', first, TARGET_MB),
        row('`moka dev`, warm data directory', dev, TARGET_MB),
        row(
          `\`moka up\`, ${up.processes.length - 1} other processes; PostgreSQL runs since the deploy`,
          up,
        ),
      ]),
      '',
      'Processes of `moka dev` with a warm data directory:',
      '',
      '| process | PSS | private |',
      '| ------- | --: | ------: |',
      ...dev.processes.map(
        ({ name, pssMb, privateMb }) => `| ${name} | ${show(pssMb)} MB | ${show(privateMb)} MB |`,
      ),
    ].join('\n')
  } finally {
    await remove(folder)
  }
}

async function measureCloud(command, folder, before = () => {}) {
  const cloud = await startCloud(command, folder)
  try {
    await before()
    const client = await Client.open(cloud.addresses.site)
    await client.request('GET', '/')
    client.close()
    await new Promise(resolve => setTimeout(resolve, SETTLE_MS))
    return memoryOf(processTree(cloud.pid))
  } finally {
    await cloud.stop()
  }
}

/** Private pages of each process, and what they share once. */
function memoryOf(pids) {
  const shared = new Map() // mapping → the most that one process has of it, in KB
  let privateKb = 0
  const processes = pids.map(pid => {
    let ownKb = 0
    let pssKb = 0
    let mapping = ''
    for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
      const [key, kb] = /^(\w+): +(\d+) kB/.exec(line)?.slice(1) ?? []
      if (key === undefined) {
        const header = /^([\da-f]+)-[\da-f]+ \S+ ([\da-f]+) \S+ (\d+)/.exec(line)
        if (header !== null) mapping = `${header[3]} ${header[3] === '0' ? header[1] : header[2]}`
      } else if (key === 'Pss') pssKb += Number(kb)
      else if (key === 'Private_Clean' && !mapping.startsWith('0 ')) {
        ownKb += Number(kb)
        shared.set(mapping, Math.max(shared.get(mapping) ?? 0, Number(kb)))
      } else if (key === 'Private_Clean' || key === 'Private_Dirty') {
        ownKb += Number(kb)
        privateKb += Number(kb)
      } else if (key === 'Shared_Clean' || key === 'Shared_Dirty') {
        const name = `${mapping} ${key === 'Shared_Dirty' ? 'dirty' : ''}`.trim()
        shared.set(name, Math.max(shared.get(name) ?? 0, Number(kb)))
      }
    }
    return { name: nameOf(pid), pssMb: pssKb / 1024, privateMb: ownKb / 1024 }
  })
  const sharedKb = [...shared.values()].reduce((sum, kb) => sum + kb, 0)
  return { alone: (privateKb + sharedKb) / 1024, processes }
}

function nameOf(pid) {
  const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  const script = line.find(part => /(?:main|worker)\.js$/.test(part))
  if (script !== undefined) return script.endsWith('worker.js') ? 'edge worker' : 'cloud'
  return line[0].split('/').at(-1)
}

await runIfMain(import.meta.url, measure)
