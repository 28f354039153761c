import { describe, expect, it } from 'vitest'
import type { Database } from '../database/database.ts'
import { createLogger } from '../shared/logger.ts'
import { Databases } from './databases.ts'

const schema = (sha256: string) => ({
  project: 'site',
  database: { kind: 'embedded' as const },
  migrations: [{ name: '001.sql', sha256 }],
})

function create(failures = 0) {
  const migrated: string[] = []
  const embedded = {
    ensure: async () => ({ url: 'postgres://direct' }),
    migrate: async (_project: string, migrations: readonly { sha256: string }[]) => {
      migrated.push(migrations[0]!.sha256)
      if (migrated.length <= failures) throw new Error('no')
      return { applied: ['001.sql'] }
    },
  }
  const databases = new Databases({
    embedded: embedded as unknown as Database,
    readBlob: async () => new Uint8Array(),
    secretOf: async () => undefined,
    logger: createLogger(() => {}, 'error'),
  })
  return { databases, migrated }
}

it('an external database that is not there names the field of its address', async () => {
  const databases = new Databases({
    embedded: {} as unknown as Database,
    readBlob: async () => new Uint8Array(),
    secretOf: async () => 'postgres://me@localhost:1/x?host=/nonexistent/mokapot',
    logger: createLogger(() => {}, 'error'),
  })
  const external = { kind: 'external' as const, urlSha256: 'a' }
  await expect(databases.migrate({ ...schema('a'), database: external })).rejects.toMatchObject({
    code: 'DATABASE_UNREACHABLE',
    hint: expect.stringContaining('"database.url"'),
  })
})

describe('the schema of a release', () => {
  it('is not looked at again by the first invocation after its deploy', async () => {
    const { databases, migrated } = create()
    expect(await databases.migrate(schema('a'))).toEqual(['001.sql'])
    expect(await databases.urlFor(schema('a'))).toBe('postgres://direct')
    expect(migrated).toEqual(['a'])
  })

  it('is applied before the first invocation when a deploy deferred it, and then once', async () => {
    const { databases, migrated } = create()
    await Promise.all([databases.urlFor(schema('a')), databases.urlFor(schema('a'))])
    await databases.urlFor(schema('a'))
    expect(migrated).toEqual(['a'])
    await databases.urlFor(schema('b'))
    expect(migrated).toEqual(['a', 'b'])
  })

  it('is tried again after a failure', async () => {
    const { databases, migrated } = create(1)
    await expect(databases.migrate(schema('a'))).rejects.toThrow('no')
    expect(await databases.urlFor(schema('a'))).toBe('postgres://direct')
    expect(migrated).toEqual(['a', 'a'])
  })
})
