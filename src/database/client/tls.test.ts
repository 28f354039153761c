import { execFileSync } from 'node:child_process'
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { silentLogger } from '../../shared/logger.ts'
import { findOnPath } from '../../shared/tied-process.ts'
import { type Database, openDatabase } from '../database.ts'
import { connect } from './connect.ts'

let directory: string
let certificate: string
let database: Database
let url: string

async function hasTls(query: string): Promise<boolean> {
  const connection = await connect(url + query)
  const [row] = await connection.sql.unsafe(
    'select ssl from pg_stat_ssl where pid = pg_backend_pid()',
  )
  await connection.close()
  return row?.ssl === true
}

describe.skipIf(findOnPath('openssl') === undefined)('TLS to a server (needs openssl)', () => {
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'moka-tls-'))
    database = await openDatabase({ directory, port: 0, logger: silentLogger })
    url = (await database.ensure('secure')).url
    // An external server with TLS, as far as its clients can tell.
    const data = join(directory, 'data')
    certificate = join(data, 'server.crt')
    const subject = ['-subj', '/CN=x', '-addext', 'subjectAltName=DNS:localhost']
    const files = ['-keyout', join(data, 'server.key'), '-out', certificate]
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    execFileSync('openssl', ['req', '-x509', '-days', '1', ...key, ...files, ...subject], {
      stdio: 'ignore',
    })
    await appendFile(join(data, 'postgresql.conf'), '\nssl = on\n')
    const pid = Number((await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')[0])
    process.kill(pid, 'SIGHUP')
    await vi.waitFor(async () => expect(await hasTls('?sslmode=prefer')).toBe(true), 30_000)
  })
  afterAll(async () => {
    await database?.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('is used where the server has it, unless it is forbidden', async () => {
    expect(await hasTls('')).toBe(true)
    expect(await hasTls('?sslmode=require')).toBe(true)
    expect(await hasTls('?sslmode=disable')).toBe(false)
  })

  it('verifies the chain under verify-ca, and the name, too, under verify-full', async () => {
    const root = `&sslrootcert=${certificate}`
    await expect(hasTls('?sslmode=verify-ca')).rejects.toThrow(/self-signed certificate/)
    expect(await hasTls(`?sslmode=verify-ca${root}`)).toBe(true)
    await expect(hasTls(`?sslmode=verify-full${root}`)).rejects.toThrow(/127\.0\.0\.1/)
    url = url.replace('127.0.0.1', 'localhost')
    expect(await hasTls(`?sslmode=verify-full${root}`)).toBe(true)
  })

  it('names a certificate file that cannot be read', async () => {
    await expect(hasTls('?sslmode=verify-full&sslrootcert=/nowhere')).rejects.toThrow(
      expect.objectContaining({
        code: 'DATABASE_UNREACHABLE',
        message: expect.stringContaining('cannot read its sslrootcert "/nowhere"'),
      }),
    )
  })
})
