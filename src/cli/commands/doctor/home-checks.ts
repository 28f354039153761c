import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { connect, type PeerCertificate } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Project } from '../../../config/project.ts'
import type { CloudStatus } from '../../../control/cloud-api.ts'
import type { Check, Found } from '../../../deploy/doctor/finding.ts'
import { MokaError, systemErrorCode } from '../../../shared/errors.ts'
import { type CloudOptions, findCloud } from '../../find-cloud.ts'
import { homeDirectory } from '../../home-directory.ts'
import { formatAge, formatCount } from '../../reporter.ts'
import { requireFreePorts } from '../../taken-ports.ts'

const run = promisify(execFile)

/** Of `engines` in package.json. */
const LEAST_NODE = 20
/** A base backup, a build and a release of a middling site fit; below the second hardly one of them. */
const LITTLE_BYTES = 2 * 2 ** 30
const NO_BYTES = 200 * 2 ** 20
const SOON_DAYS = 14
const DAY_MS = 86_400_000
const TLS_TIMEOUT_MS = 2000
const TOOL_TIMEOUT_MS = 3000

/** As `moka dev` has them. */
const DEV_PORTS = { site: 8080, https: 8443, control: 8081, dns: 8053, aws: 4566, database: 8432 }

/** The cloud that commands find here; undefined where none runs. Asked once for all checks. */
export type RunningCloud = Promise<CloudStatus | undefined>

export async function findRunning(options: CloudOptions): RunningCloud {
  try {
    const cloud = await findCloud(options)
    try {
      return await cloud.api.status()
    } finally {
      cloud.close()
    }
  } catch (error) {
    if (error instanceof MokaError && error.code === 'CLI_NO_CLOUD') return undefined
    throw error
  }
}

export function configurationCheck(project: Project): Check {
  return {
    name: 'configuration',
    async run() {
      const { functions, database, site, domain, warnings } = project
      const parts = [
        site === undefined ? 'no files' : 'files',
        formatCount(functions.length, 'function'),
        database.kind === 'none' ? 'no database' : `${database.kind} database`,
        domain ?? 'no domain',
      ]
      return [
        { level: 'ok', what: `project "${project.name}": ${parts.join(', ')}` },
        ...warnings.map((what): Found => ({ level: 'note', what })),
      ]
    },
  }
}

/** What the cloud runs on, and what it runs. */
export function toolsCheck(project: Project): Check {
  const tools = [
    { command: 'git', need: 'git push and the commit of a release' },
    ...(project.functions.some(({ runtime }) => runtime === 'python')
      ? [{ command: 'python3', need: 'functions in Python' }]
      : []),
  ]
  return {
    name: 'tools',
    async run() {
      const found = await Promise.all(
        tools.map(async tool => ({ ...tool, version: await versionOf(tool.command) })),
      )
      const node = Number(process.versions.node.split('.')[0])
      const missing = found.filter(({ version }) => version === undefined)
      const versions = found.flatMap(({ command, version }) =>
        version === undefined ? [] : [`${command} ${version}`],
      )
      return [
        node < LEAST_NODE
          ? {
              level: 'problem',
              what: `Node ${process.versions.node}, and Mokapot needs ${LEAST_NODE} or newer`,
              fix: 'https://nodejs.org/en/download',
            }
          : { level: 'ok', what: [`Node ${process.versions.node}`, ...versions].join(', ') },
        ...missing.map(
          ({ command, need }): Found => ({
            level: command === 'git' ? 'note' : 'problem',
            what: `${command} is not there, which ${need} need`,
            fix: `install ${command}, and see that it is on the PATH`,
          }),
        ),
      ]
    },
  }
}

export function cloudCheck(running: RunningCloud): Check {
  return {
    name: 'cloud',
    async run() {
      const status = await running
      if (status === undefined) {
        const fix = '`moka dev` starts one for this project, `moka up` one for this machine'
        return { level: 'note', what: 'none is running', fix }
      }
      const { mode, pid, version, addresses } = status
      return { level: 'ok', what: `moka ${mode} ${version} (pid ${pid}), site ${addresses.site}` }
    },
  }
}

/** Where no cloud runs, one that starts has to have its ports. */
export function portsCheck(project: Project, running: RunningCloud): Check {
  return {
    name: 'ports',
    async run() {
      if ((await running.catch(() => undefined)) !== undefined) {
        return { level: 'ok', what: 'the running cloud has its own' }
      }
      const numbers = Object.values(DEV_PORTS).join(', ')
      const directory = join(project.root, '.moka')
      try {
        await requireFreePorts({
          ...{ ports: DEV_PORTS, host: '127.0.0.1', mode: 'dev', directory },
          https: { kind: 'local', directory: join(directory, 'tls') },
        })
        return { level: 'ok', what: `${numbers} are free` }
      } catch (error) {
        if (!(error instanceof MokaError)) throw error
        const what = error.message.replace(/^cannot start: /, '')
        return { level: 'problem', what, ...(error.hint === undefined ? {} : { fix: error.hint }) }
      }
    },
  }
}

/** Everything that a cloud keeps is there: it has to be writable, with some room. */
export function dataCheck(project: Project, running: RunningCloud): Check {
  return {
    name: 'data',
    async run() {
      const status = await running.catch(() => undefined)
      const directory = status?.mode === 'up' ? homeDirectory() : join(project.root, '.moka')
      const there = await nearestFolder(directory)
      const unwritable = await access(there, constants.W_OK | constants.X_OK).then(
        () => undefined,
        error => systemErrorCode(error),
      )
      if (unwritable !== undefined) {
        const what = `"${there}" cannot be written to (${unwritable})`
        return { level: 'problem', what, fix: `change its owner: sudo chown -R $USER ${there}` }
      }
      const { bavail, bsize } = await statfs(there)
      return describeSpace(directory, bavail * bsize)
    },
  }
}

export function describeSpace(directory: string, freeBytes: number): Found {
  const free = `${(freeBytes / 2 ** 30).toFixed(1)} GB are free`
  if (freeBytes >= LITTLE_BYTES) return { level: 'ok', what: `"${directory}" is writable, ${free}` }
  return {
    level: freeBytes < NO_BYTES ? 'problem' : 'note',
    what: `${free} for "${directory}"`,
    why: 'a release, a build or the database that finds no room fails; what is live stays',
    fix: 'free some space; `keepReleases` in moka.config.ts says how many releases stay',
  }
}

/** What the running cloud shows to who comes by HTTPS. */
export function certificateCheck(project: Project, running: RunningCloud): Check {
  return {
    name: 'certificate',
    async run() {
      const status = await running
      const address = status?.addresses.https
      if (status === undefined) return { level: 'ok', what: 'looked at when a cloud is running' }
      if (address === undefined) {
        const what = 'the cloud serves no HTTPS'
        return project.domain === undefined || status.mode === 'dev'
          ? { level: 'ok', what }
          : { level: 'note', what, fix: 'moka up --acme-email you@example.org' }
      }
      const name = project.domain ?? `${project.name}.localhost`
      const certificate = await peerCertificate(new URL(address), name)
      return describeCertificate(certificate, name, Date.now())
    },
  }
}

export function describeCertificate(
  { subjectaltname = '', valid_to, issuer }: PeerCertificate,
  name: string,
  nowMs: number,
): Found {
  const endMs = Date.parse(valid_to)
  const by = issuer.O ?? issuer.CN ?? 'somebody'
  const until = new Date(endMs).toISOString().slice(0, 10)
  if (endMs < nowMs) {
    const what = `of ${name}: it expired ${formatAge(endMs, nowMs)}`
    return { level: 'problem', what, fix: 'see why it was not renewed: `moka up` logs it' }
  }
  const names = subjectaltname.split(', ').map(each => each.replace(/^DNS:/, ''))
  const wild = name.replace(/^[^.]+/, '*')
  if (!names.includes(name) && !names.includes(wild)) {
    return { level: 'note', what: `is for ${subjectaltname || 'no name'}, and not for ${name}` }
  }
  const days = Math.floor((endMs - nowMs) / DAY_MS)
  if (days < SOON_DAYS && days > 0 && !/Mokapot/.test(String(by))) {
    const what = `of ${name} by ${by} ends in ${formatCount(days, 'day')}, on ${until}`
    return {
      level: 'note',
      what,
      fix: 'is the cloud reachable on port 80, and the domain its own?',
    }
  }
  return { level: 'ok', what: `of ${name} by ${by}, until ${until}` }
}

/** A clock that is behind the program itself is wrong; else the system knows whether it is set. */
export const clockCheck: Check = {
  name: 'clock',
  async run() {
    const { mtimeMs } = await stat(fileURLToPath(import.meta.url))
    const fix = 'timedatectl set-ntp true (Linux), sudo sntp -sS time.apple.com (macOS)'
    const why = 'certificates, DNSSEC and signed URLs hold by the clock'
    if (Date.now() + DAY_MS < mtimeMs) {
      return { level: 'problem', what: `wrong: it says ${new Date().toISOString()}`, why, fix }
    }
    const synchronized = await run('timedatectl', ['show', '-p', 'NTPSynchronized', '--value'], {
      timeout: TOOL_TIMEOUT_MS,
    }).then(
      ({ stdout }) => stdout.trim(),
      () => '',
    )
    if (synchronized === 'no') {
      return { level: 'note', what: 'the system does not set it by the network', why, fix }
    }
    return { level: 'ok', what: synchronized === 'yes' ? 'set by the network' : 'plausible' }
  },
}

async function nearestFolder(directory: string): Promise<string> {
  for (let folder = directory; ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined)
    if (found !== undefined || dirname(folder) === folder) return folder
  }
}

async function versionOf(command: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(command, ['--version'], { timeout: TOOL_TIMEOUT_MS })
    return /\d+(?:\.\d+)+/.exec(stdout)?.[0] ?? ''
  } catch {
    return undefined
  }
}

/** Whoever it is of: whether it is trusted is another question. */
function peerCertificate({ hostname, port }: URL, servername: string): Promise<PeerCertificate> {
  const socket = connect({
    ...{ host: hostname, port: Number(port || 443), servername },
    ...{ rejectUnauthorized: false, timeout: TLS_TIMEOUT_MS },
  })
  return new Promise<PeerCertificate>((resolve, reject) => {
    socket.once('secureConnect', () => resolve(socket.getPeerCertificate()))
    socket.once('error', reject)
    socket.once('timeout', () => reject(new Error(`no answer from ${hostname}:${port}`)))
  }).finally(() => socket.destroy())
}
