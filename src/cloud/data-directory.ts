import { createHash, randomBytes } from 'node:crypto'
import { accessSync, constants, mkdirSync, statSync } from 'node:fs'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeFileAtomic } from '../shared/atomic-file.ts'
import { MokaError, systemErrorCode } from '../shared/errors.ts'

/** A Unix socket's path has room for 108 octets, the last of them NUL (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107

/** Where a cloud keeps what it keeps; mode 0700 throughout. */
export interface DataDirectory {
  root: string
  bucket: string
  database: string
  functions: string
  logs: string
  projects: string
  /** Path of a socket; short enough for the system, whatever the data directory is called. */
  socket(name: string): string
  /** Secret of the control API, made at first start, mode 0600. */
  token: string
  /** Says where this cloud answers, for commands that look for it. */
  announce(runtime: unknown): Promise<void>
  /** Lets the directory go to the next cloud. */
  release(): Promise<void>
}

/** The file by which commands find a running cloud. */
export const RUNTIME_FILE = 'cloud.json'

/**
 * Takes a data directory for this process alone. Throws `CLOUD_ALREADY_RUNNING` when a cloud
 * lives in it, and `CLOUD_DATA_NOT_WRITABLE`.
 */
export async function openDataDirectory(root: string): Promise<DataDirectory> {
  makeWritable(root)
  const sockets = socketDirectory(root)
  const lock = await takeLock(join(sockets, 'lock.sock'), root)
  const sub = (name: string) => join(root, name)
  await mkdir(sub('projects'), { recursive: true, mode: 0o700 })
  await rm(sub(RUNTIME_FILE), { force: true })
  return {
    root,
    bucket: sub('bucket'),
    database: sub('database'),
    functions: sub('functions'),
    logs: sub('logs'),
    projects: sub('projects'),
    socket: name => join(sockets, `${name}.sock`),
    token: await readToken(sub('token')),
    announce: runtime =>
      writeFileAtomic(sub(RUNTIME_FILE), `${JSON.stringify(runtime, null, 2)}\n`),
    async release() {
      await rm(sub(RUNTIME_FILE), { force: true })
      await new Promise(resolve => lock.close(resolve))
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

/** `run/` in the data directory, or a folder of ours for temporary files when that path is too long. */
function socketDirectory(root: string): string {
  const longest = 'functions.sock'
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

/** A listening socket is a lock that the system lets go however its process ends. */
async function takeLock(path: string, root: string): Promise<Server> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await listen(path)
    } catch (error) {
      if (systemErrorCode(error) !== 'EADDRINUSE' || attempt === 3) throw error
      if (await answers(path)) {
        throw new MokaError(
          'CLOUD_ALREADY_RUNNING',
          `cannot start a cloud in "${root}": one is running there`,
          { hint: 'use that one, or end it first' },
        )
      }
      await rm(path, { force: true }) // left by a process that was killed
    }
  }
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => socket.destroy())
    server.unref()
    server.once('error', reject)
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
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if (systemErrorCode(error) !== 'ENOENT') throw error
    const token = randomBytes(32).toString('base64url')
    await writeFileAtomic(path, `${token}\n`)
    return token
  }
}
