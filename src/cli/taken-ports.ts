import { createSocket } from 'node:dgram'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { CloudOptions } from '../cloud/open-cloud.ts'
import { findProjectRoot } from '../config/load.ts'
import { type CloudRuntime, readRuntime } from '../control/runtime-file.ts'
import { MokaError, systemErrorCode } from '../shared/errors.ts'
import { homeDirectory } from './home-directory.ts'

type Part = keyof CloudOptions['ports']
type Wanted = Pick<CloudOptions, 'ports' | 'host' | 'https' | 'mode' | 'directory'>

const LOOPBACK = '127.0.0.1'

/**
 * Throws `CLI_PORTS_TAKEN`, naming all the ports that cannot be had and, where it is another cloud
 * of this machine, who has them. Nothing has been made then. A cloud in the same data directory is
 * left for the opening of that to tell of.
 */
export async function requireFreePorts(wanted: Wanted): Promise<void> {
  const taken = await takenPorts(wanted)
  if (taken.length === 0) return
  const ports = taken.map(part => wanted.ports[part])
  const holder = findHolder(ports)
  if (holder?.directory === wanted.directory) return
  const isOne = taken.length === 1
  const by = holder === undefined ? '' : ` by ${describe(holder.runtime)}`
  const options = taken.map(part => `--${part}-port`).join(', ')
  const end = holder === undefined ? `end what uses ${isOne ? 'it' : 'them'}` : 'end it'
  throw new MokaError(
    'CLI_PORTS_TAKEN',
    `cannot start: port${isOne ? '' : 's'} ${ports.join(', ')} ${isOne ? 'is' : 'are'} taken${by}`,
    {
      hint: `${end}, or choose ${isOne ? 'another' : 'others'} with ${options}, or free ones for all: ${freeCommand(wanted.mode)}`,
    },
  )
}

function freeCommand(mode: 'dev' | 'up'): string {
  const isNpmStart = process.env.npm_lifecycle_event === 'start'
  return isNpmStart ? 'npm start -- --ephemeral' : `moka ${mode} --ephemeral`
}

async function takenPorts({ ports, host, https }: Wanted): Promise<Part[]> {
  const probes: [Part, Promise<boolean>][] = [
    ['site', isTcpTaken(host, ports.site)],
    ['https', https === undefined ? Promise.resolve(false) : isTcpTaken(host, ports.https)],
    ['control', isTcpTaken(LOOPBACK, ports.control)],
    ['dns', isTcpTaken(host, ports.dns).then(taken => taken || isUdpTaken(host, ports.dns))],
    ['aws', isTcpTaken(LOOPBACK, ports.aws)],
    ['database', isTcpTaken(LOOPBACK, ports.database)],
  ]
  const taken: Part[] = []
  for (const [part, probe] of probes) if (await probe) taken.push(part)
  return taken
}

function isTcpTaken(host: string, port: number): Promise<boolean> {
  if (port === 0) return Promise.resolve(false)
  const server = createServer()
  return new Promise(resolve => {
    server.once('error', error => resolve(isInUse(error)))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(false)))
  })
}

function isUdpTaken(host: string, port: number): Promise<boolean> {
  if (port === 0) return Promise.resolve(false)
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  return new Promise(resolve => {
    socket.once('error', error => {
      socket.close()
      resolve(isInUse(error))
    })
    socket.bind({ address: host, port, exclusive: true }, () => socket.close(() => resolve(false)))
  })
}

/** What else may be wrong, such as a port that this user may not have, the part itself tells. */
function isInUse(error: Error): boolean {
  return systemErrorCode(error) === 'EADDRINUSE'
}

/** The running cloud at one or more of these ports. */
function findHolder(
  ports: readonly number[],
): { directory: string; runtime: CloudRuntime } | undefined {
  for (const directory of knownDataDirectories()) {
    const runtime = readRuntime(directory)
    const at = Object.values(runtime?.addresses ?? {}).map(
      address => /:(\d+)\/?$/.exec(address)?.[1],
    )
    const isHolder = ports.some(port => at.includes(String(port)))
    if (runtime !== undefined && isHolder && isAlive(runtime)) return { directory, runtime }
  }
  return undefined
}

/** Where clouds may run: here, on this machine, and where this user's processes stand (Linux). */
function knownDataDirectories(): Set<string> {
  const found = new Set<string>()
  const addProject = (folder: string) => {
    const root = findProjectRoot(folder)
    if (root !== undefined) found.add(join(root, '.moka'))
  }
  addProject(process.cwd())
  found.add(homeDirectory())
  for (const pid of processes()) {
    try {
      addProject(readlinkSync(`/proc/${pid}/cwd`))
      const home = /(?:^|\0)MOKA_HOME=([^\0]+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))
      if (home !== null) found.add(home[1]!)
    } catch {} // it has ended, or is another user's
  }
  return found
}

function processes(): string[] {
  try {
    return readdirSync('/proc').filter(name => /^\d+$/.test(name))
  } catch {
    return []
  }
}

function isAlive({ pid }: CloudRuntime): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function describe({ mode, pid, projects }: CloudRuntime): string {
  const of = mode === 'dev' && projects[0] !== undefined ? ` of "${projects[0]}"` : ''
  return `moka ${mode}${of} (pid ${pid})`
}
