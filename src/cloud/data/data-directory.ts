import { createHash, randomBytes } from 'node:crypto'
import { accessSync, constants, mkdirSync, statSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RUNTIME_FILE, readRuntime } from '../../control/runtime-file.ts'
import { writeFileAtomic } from '../../shared/atomic-file.ts'
import { MokaError, systemErrorCode } from '../../shared/errors.ts'

/** A Unix socket's path has room for 108 octets, the last of them NUL (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107

/**
 * Parts whose processes run as other users when the cloud is root, and see to their own modes:
 * PostgreSQL, functions, and builds of what is pushed.
 */
const SHARED = new Set(['database', 'functions', 'builds', 'repositories', 'workspaces'])

/** Where a cloud keeps what it keeps; mode 0700 throughout, but see {@link letThrough}. */
export interface DataDirectory {
  root: string
  bucket: string
  /** What edge workers may lose: what their memory has no room for. */
  cache: string
  database: string
  functions: string
  logs: string
  /** The access logs of the edge workers. */
  access: string
  projects: string
  /** What is pushed here with git. */
  repositories: string
  /** Where it is built. */
  workspaces: string
  /** As whom, where we are root. */
  builds: string
  /** What is known of repositories elsewhere. */
  hooks: string
  /** Path of a socket; short enough for the system, whatever the data directory is called. */
  socket(name: string): string
  /** Secret of the control API, made at first start, mode 0600. */
  token: string
  /** Path of the key that signs releases; made at first start, mode 0600. */
  signingKey: string
  /** Path of the key that secrets are encrypted with; made at first start, mode 0600. */
  secretsKey: string
  /** Says where this cloud answers, for commands that look for it. */
  announce(runtime: unknown): Promise<void>
  /** Lets the directory go to the next cloud. */
  release(): Promise<void>
}

/**
 * Takes a data directory for this process alone. Throws `CLOUD_ALREADY_RUNNING` when a cloud
 * lives in it, and `CLOUD_DATA_NOT_WRITABLE`.
 */
export async function openDataDirectory(root: string): Promise<DataDirectory> {
  makeWritable(root)
  const sockets = socketDirectory(root)
  const lock = await takeLock(join(sockets, 'lock.sock'), root)
  const unlock = () => new Promise(resolve => lock.close(resolve))
  const sub = (name: string) => join(root, name)
  const prepare = async () => {
    await mkdir(sub('projects'), { recursive: true, mode: 0o700 })
    await rm(sub(RUNTIME_FILE), { force: true })
    if (process.getuid?.() === 0) await letThrough(root)
    return readToken(sub('token'))
  }
  const token = await prepare().catch(async error => {
    await unlock()
    throw error
  })
  return {
    root,
    bucket: sub('bucket'),
    cache: sub('cache'),
    database: sub('database'),
    functions: sub('functions'),
    logs: sub('logs'),
    access: sub('access'),
    projects: sub('projects'),
    repositories: sub('repositories'),
    workspaces: sub('workspaces'),
    builds: sub('builds'),
    hooks: sub('hooks'),
    socket: name => join(sockets, `${name}.sock`),
    token,
    signingKey: sub('signing-key.pem'),
    secretsKey: sub('secrets.key'),
    announce: runtime =>
      writeFileAtomic(sub(RUNTIME_FILE), `${JSON.stringify(runtime, null, 2)}\n`),
    async release() {
      await rm(sub(RUNTIME_FILE), { force: true })
      await unlock()
    },
  }
}

/** Names of the projects that have ever been deployed here. */
export async function listProjects(directory: DataDirectory): Promise<string[]> {
  const entries = await readdir(directory.projects, { withFileTypes: true })
  return entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
}

function makeWritable(root: string): void {
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 })
    accessSync(root, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new MokaError(
      'CLOUD_DATA_NOT_WRITABLE',
      `cannot use data directory "${root}": it is not writable (${systemErrorCode(error)})`,
      { hint: 'set MOKA_HOME to a folder of your own, or change its owner', cause: error },
    )
  }
}

/** Other users may pass through the folder, without seeing what is in it, to the shared parts only. */
async function letThrough(root: string): Promise<void> {
  for (const entry of await readdir(root, { withFileTypes: true })) {
    if (SHARED.has(entry.name)) continue
    if (entry.isDirectory()) await chmod(join(root, entry.name), 0o700)
    else if (entry.isFile()) await chmod(join(root, entry.name), 0o600)
  }
  await chmod(root, ((await stat(root)).mode & 0o777) | 0o011)
}

/** `run/` in the data directory, or a folder of ours for temporary files when that path is too long. */
function socketDirectory(root: string): string {
  const longest = 'lock.sock.clearing'
  const inside = join(root, 'run')
  const digest = createHash('sha256').update(root).digest('hex').slice(0, 16)
  const fits = Buffer.byteLength(join(inside, longest)) <= MAX_SOCKET_PATH_BYTES
  const directory = fits ? inside : join(tmpdir(), `mokapot-${process.getuid?.() ?? 0}-${digest}`)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const { uid, mode } = statSync(directory)
  if (uid !== (process.getuid?.() ?? uid) || (mode & 0o077) !== 0) {
    throw new MokaError(
      'CLOUD_DATA_NOT_PRIVATE',
      `cannot use folder "${directory}" for sockets: others can reach into it`,
      { hint: `chmod 700 "${directory}", or remove it` },
    )
  }
  return directory
}

/**
 * A listening socket is a lock that the system lets go however its process ends; only its file
 * stays behind. Whoever clears such a file holds a second lock meanwhile: two that both found the
 * file left behind would remove, the later one, what the earlier one had just made.
 */
async function takeLock(path: string, root: string): Promise<Server> {
  const free = await listen(path)
  if (free !== undefined) return free
  if (await answers(path)) throw alreadyRunning(root)
  const clearing = await takeClearing(`${path}.clearing`)
  if (clearing === undefined || (await answers(path))) {
    clearing?.close()
    throw alreadyRunning(root)
  }
  try {
    await rm(path, { force: true })
    const lock = await listen(path)
    if (lock === undefined) throw alreadyRunning(root)
    return lock
  } finally {
    await new Promise(resolve => clearing.close(resolve))
  }
}

/** Undefined while another process clears. */
async function takeClearing(path: string): Promise<Server | undefined> {
  const taken = await listen(path)
  if (taken !== undefined || (await answers(path))) return taken
  await rm(path, { force: true }) // its process was killed within the moment that clearing takes
  return listen(path)
}

function alreadyRunning(root: string): MokaError {
  return new MokaError(
    'CLOUD_ALREADY_RUNNING',
    `cannot start a cloud in "${root}": ${whoRuns(root)}`,
    { hint: 'use that one, or end it first' },
  )
}

function whoRuns(root: string): string {
  const runtime = readRuntime(root)
  if (runtime?.addresses === undefined) return 'one is running there' // it has not said where yet
  return `one is running there, pid ${runtime.pid}, at ${runtime.addresses.site}`
}

/** Undefined where the path is taken. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy())
    server.unref()
    server.once('error', error =>
      systemErrorCode(error) === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen(path, () => resolve(server))
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function readToken(path: string): Promise<string> {
  let token: string
  try {
    token = (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error
    token = randomBytes(32).toString('base64url')
    await writeFileAtomic(path, `${token}\n`)
  }
  if (/^[\x21-\x7e]{16,}$/.test(token)) return token
  throw new MokaError(
    'CLOUD_TOKEN_DAMAGED',
    `cannot use the token in "${path}": it is not 16 or more visible ASCII characters`,
    { hint: 'remove the file: a new token is made; who uses this cloud from elsewhere needs it' },
  )
}
