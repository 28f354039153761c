import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { connect as connectTcp, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '../shared/logger.ts'
import { findOnPath } from '../shared/tied-process.ts'
import { connect } from './client/connect.ts'
import { type Database, openDatabase } from './database.ts'

let directory: string
let database: Database
let index: ReturnType<typeof open>

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-database-'))
  index = open({ path: join(directory, 'index.lmdb') }) // its file is opened without O_CLOEXEC
  database = await openDatabase({ directory, port: 0, logger: silentLogger })
})
afterAll(async () => {
  await database?.close()
  await index?.close()
  await rm(directory, { recursive: true, force: true })
})

async function query<T = Record<string, unknown>>(url: string, sql: string): Promise<T[]> {
  // The first waits for all that a database is made of, on a machine that may be busy.
  const connection = await connect(`${url}?connect_timeout=60`)
  try {
    return [...(await connection.sql.unsafe(sql))] as T[]
  } finally {
    await connection.close()
  }
}

/** Sends bytes to the door and returns all that comes back until it hangs up. */
async function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connectTcp({ host: '127.0.0.1', port })
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk)).on('error', () => {})
  socket.end(bytes)
  await once(socket, 'close')
  return Buffer.concat(chunks)
}

const postmasterPid = async () =>
  Number((await readFile(join(directory, 'data', 'postmaster.pid'), 'utf8')).split('\n')[0])

// The first test finds PostgreSQL not yet initialised, as a first start does.
describe('the door', () => {
  it('opens without starting anything, and the first connection makes all there is', async () => {
    const url = database.url('first-site')
    expect(database.isRunning).toBe(false)
    expect(await readdir(directory)).not.toContain('data')
    const rows = await query(
      url,
      'select current_user::text as "user", current_database()::text as db',
    )
    expect(rows).toEqual([{ user: 'first_site', db: 'first_site' }])
    expect(database.isRunning).toBe(true)
    expect((await readdir(directory)).filter(name => name.startsWith('initialising'))).toEqual([])
  })

  it.runIf(process.platform === 'linux')('hands PostgreSQL no file that we have open', async () => {
    const folder = `/proc/${await postmasterPid()}/fd`
    const links = (await readdir(folder)).map(fd => readlink(join(folder, fd)).catch(() => ''))
    const files = await Promise.all(links)
    expect(files.length).toBeGreaterThan(2)
    expect(files.filter(file => file.includes('lmdb'))).toEqual([])
  })

  it('carries much in both directions at once', async () => {
    const url = database.url('first-site')
    const [row] = await query<{ size: number; back: string }>(
      url,
      `select length('${'x'.repeat(5_000_000)}') as size, repeat('y', 5000000) as back`,
    )
    expect([row?.size, row?.back.length]).toEqual([5_000_000, 5_000_000])
  })

  it.skipIf(findOnPath('psql') === undefined)('serves psql (needs psql)', async () => {
    const args = ['-XAt', database.url('first-site'), '-c', 'show server_encoding']
    const output = await new Promise((resolve, reject) => {
      execFile('psql', args, (error, stdout) => (error ? reject(error) : resolve(stdout)))
    })
    expect(output).toBe('UTF8\n')
  })

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
    ['a packet of impossible length', Buffer.from('ffffffff00030000', 'hex')],
    ['half a startup packet', Buffer.from('0000002000030000', 'hex')],
    ['random bytes', Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * 7919) % 251))],
  ])('survives %s', async (_, bytes) => {
    await exchange(database.port, bytes)
    expect(await query(database.url('first-site'), 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('survives clients that vanish in the middle of an answer', async () => {
    const connection = await connect(database.url('first-site'))
    const answer = connection.sql.unsafe("select repeat('x', 1000) from generate_series(1, 200000)")
    const failed = expect(answer).rejects.toThrow()
    await connection.close()
    await failed
    expect(await query(database.url('first-site'), 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('names a taken port', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    await expect(openDatabase({ directory, port, logger: silentLogger })).rejects.toThrow(
      expect.objectContaining({
        code: 'DATABASE_PORT_TAKEN',
        message: expect.stringContaining(String(port)),
        hint: expect.any(String),
      }),
    )
    server.close()
  })

  it('names a directory that cannot be used', async () => {
    const file = join(directory, 'a-file')
    await writeFile(file, '')
    await expect(
      openDatabase({ directory: join(file, 'below'), port: 0, logger: silentLogger }),
    ).rejects.toThrow(
      expect.objectContaining({
        code: 'DATABASE_DIRECTORY',
        message: expect.stringContaining(file),
      }),
    )
  })
})

describe('projects', () => {
  it('are made once, however many ask at once', async () => {
    const asked = [1, 2, 3].map(() => database.ensure('many'))
    const urls = await Promise.all(asked)
    expect(new Set(urls.map(({ url }) => url)).size).toBe(1)
    expect(new URL(urls[0]!.url).port).not.toBe(String(database.port))
    expect(await query(urls[0]!.url, 'select 1 as one')).toEqual([{ one: 1 }])
  })

  it('own their database, and enter no other', async () => {
    const { url } = await database.ensure('owner')
    await database.ensure('neighbour')
    await query(url, 'create schema mine; create table mine.t (); create extension pgcrypto')
    const [role] = await query(
      url,
      'select rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname = current_user',
    )
    expect(role).toEqual({ rolsuper: false, rolcreatedb: false, rolcreaterole: false })
    for (const name of ['neighbour', 'postgres', 'template1']) {
      await expect(query(url.replace(/[^/]+$/, name), 'select 1')).rejects.toThrow(
        /permission denied for database/,
      )
    }
  })

  it('leave connections to others, however many one of them opens', async () => {
    const { url } = await database.ensure('greedy')
    const other = await database.ensure('modest')
    const opened: Awaited<ReturnType<typeof connect>>[] = []
    try {
      // One after the other: each takes a place while it signs in.
      for (let count = 0; count < 30; count++) opened.push(await connect(url))
      await expect(connect(url)).rejects.toThrow(/too many connections for role "greedy"/)
      expect(await query(other.url, 'select 1 as one')).toEqual([{ one: 1 }])
      const [{ sql }] = opened as [(typeof opened)[0]]
      await expect(sql.unsafe('alter role greedy connection limit -1')).rejects.toThrow()
    } finally {
      for (const connection of opened) await connection.close()
    }
  })

  it('keep UTC, UTF-8 and the design’s settings', async () => {
    const { url } = await database.ensure('owner')
    const [row] = await query(
      url,
      `select current_setting('timezone') as zone, current_setting('server_encoding') as encoding,
         current_setting('fsync') as fsync, current_setting('listen_addresses') as addresses,
         current_setting('shared_buffers') as buffers, current_setting('max_connections') as connections,
         lower('ÉÄ') as lower, 'B' < 'a' as byte_order`,
    )
    expect(row).toEqual({
      zone: 'UTC',
      encoding: 'UTF8',
      fsync: 'on',
      addresses: '127.0.0.1',
      buffers: '16MB',
      connections: '40',
      lower: 'éä',
      byte_order: true,
    })
  })
})

describe('the server', () => {
  it('is started again on the same port when it dies', async () => {
    const { url } = await database.ensure('phoenix')
    await query(url, 'create table t (n int); insert into t values (7)')
    const pid = await postmasterPid()
    const connection = await connect(url)
    const gone = expect(connection.sql.unsafe('select pg_sleep(60)')).rejects.toThrow()
    process.kill(pid, 'SIGKILL')
    await gone
    // Its clients may learn of its death a moment before we do.
    const read = async () => query((await database.ensure('phoenix')).url, 'select n from t')
    await expect.poll(() => read().catch(() => [])).toEqual([{ n: 7 }])
    expect((await database.ensure('phoenix')).url).toBe(url)
  })

  it('is started again without being asked, also when it dies right after its start', async () => {
    const { url } = await database.ensure('phoenix')
    for (const _round of [1, 2]) {
      const pid = await postmasterPid()
      process.kill(pid, 'SIGKILL')
      // Straight to the server's own port, as functions do: nothing here wakes it.
      await expect.poll(() => query(url, 'select 1 as n').catch(() => [])).toEqual([{ n: 1 }])
      expect(await postmasterPid()).not.toBe(pid)
    }
  })

  it('stops quickly with clients connected, and keeps everything', async () => {
    const project = 'first-site'
    const { url } = await database.ensure(project)
    await query(url, 'create table kept (n int); insert into kept values (1)')
    const busy = await connect(database.url(project))
    const ended = expect(busy.sql.unsafe('select pg_sleep(60)')).rejects.toThrow()
    const pid = await postmasterPid()
    const before = performance.now()
    await database.close()
    expect(performance.now() - before).toBeLessThan(20_000)
    await ended
    expect(() => process.kill(pid, 0)).toThrow()
    await expect(database.ensure(project)).rejects.toThrow(/being closed/)
    database = await openDatabase({ directory, port: 0, logger: silentLogger })
    expect(await query(database.url(project), 'select n from kept')).toEqual([{ n: 1 }])
  })

  it('recovers its passwords when the credentials file was lost', async () => {
    const project = 'first-site'
    await database.close()
    await rm(join(directory, 'credentials.json'))
    database = await openDatabase({ directory, port: 0, logger: silentLogger })
    expect(await query(database.url(project), 'select n from kept')).toEqual([{ n: 1 }])
  })

  it('tells clients at the door why it does not start', async () => {
    await database.close()
    const version = join(directory, 'data', 'PG_VERSION')
    const content = await readFile(version, 'utf8')
    await writeFile(version, '9.6\n')
    database = await openDatabase({ directory, port: 0, logger: silentLogger })
    await expect(query(database.url('first-site'), 'select 1')).rejects.toThrow(
      /cannot start PostgreSQL: database files are incompatible with server/,
    )
    await writeFile(version, content)
    expect(await query(database.url('first-site'), 'select 1 as one')).toEqual([{ one: 1 }])
  })
})
