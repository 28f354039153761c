import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resolveProject } from './project.ts'
import type { MokaConfig } from './schema.ts'

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'moka-config-'))
  await writeFile(join(root, 'visits.py'), '')
  await writeFile(join(root, 'other.ts'), '')
})
afterEach(() => rm(root, { recursive: true }))

const resolve = (config: Omit<MokaConfig, 'name'>) =>
  resolveProject({ name: 'site', ...config }, root, 'moka.config.ts')

describe('a project', () => {
  it('fills in defaults', () => {
    expect(resolve({ functions: { visits: { entry: 'visits.py' } } })).toMatchObject({
      site: undefined,
      database: { kind: 'none' },
      functions: [
        {
          runtime: 'python',
          entry: join(root, 'visits.py'),
          handler: 'handler',
          routes: ['/api/visits', '/api/visits/*'],
          timeoutMs: 10_000,
          memoryMb: 256,
        },
      ],
    })
  })

  it('has an embedded database when there is a folder of migrations, unless it says no', async () => {
    await mkdir(join(root, 'migrations'))
    expect(resolve({}).database).toEqual({ kind: 'embedded' })
    expect(resolve({ database: false }).database).toEqual({ kind: 'none' })
    const url = 'postgres://db.example/app'
    expect(resolve({ database: { url } }).database).toEqual({ kind: 'external', url })
  })

  it('takes the folder dist when it is there', async () => {
    await mkdir(join(root, 'dist'))
    expect(resolve({}).site).toEqual({ directory: join(root, 'dist') })
  })

  it('gives a function the names of its secrets, each once, and refuses one that has two values', async () => {
    const withSecrets = (more: object) =>
      resolve({ functions: { visits: { entry: 'visits.py', ...more } } })
    const [visits] = withSecrets({ secrets: ['B', 'A', 'B'] }).functions
    expect(visits?.secrets).toEqual(['A', 'B'])
    expect(() => withSecrets({ secrets: ['A'], environment: { A: '1' } })).toThrow(
      'field "functions.visits.secrets" has "A", which is in its environment as well',
    )
    expect(withSecrets({ secrets: ['DATABASE_URL'] }).functions).toHaveLength(1)
    await mkdir(join(root, 'migrations'))
    expect(() => withSecrets({ secrets: ['DATABASE_URL'] })).toThrow(
      'field "functions.visits.secrets" has "DATABASE_URL", which is set by the project',
    )
  })

  it('tells one, or several, by address and by the name of a secret', () => {
    expect(resolve({}).notify).toBeUndefined()
    const url = 'https://example.org/hook'
    expect(resolve({ notify: url }).notify).toEqual([{ url }])
    expect(resolve({ notify: [{ url }, { secret: 'CHAT' }] }).notify).toEqual([
      { url },
      { secret: 'CHAT' },
    ])
  })

  it('without a database leaves DATABASE_URL to its functions', () => {
    const visits = { entry: 'visits.py', environment: { DATABASE_URL: 'postgres://x' } }
    expect(resolve({ functions: { visits } }).functions[0]).toMatchObject({
      environment: visits.environment,
    })
  })

  it.each<[string, Omit<MokaConfig, 'name'>, string]>([
    [
      'a missing handler file',
      { functions: { visits: { entry: 'gone.py' } } },
      'field "functions.visits.entry": there is no file "gone.py"',
    ],
    [
      'two functions with one route',
      {
        functions: {
          visits: { entry: 'visits.py', routes: ['/api/x'] },
          other: { entry: 'other.ts', routes: ['/api/x'] },
        },
      },
      'functions "visits" and "other" both claim the route "/api/x"',
    ],
    [
      'a bad rate limit',
      { functions: { visits: { entry: 'visits.py', rateLimit: '5/moment' } } },
      'field "functions.visits.rateLimit": "5/moment" is not a rate limit',
    ],
    ['a site folder that is not there', { site: { directory: 'public' } }, 'there is no folder'],
    [
      'a variable that the database sets',
      {
        database: true,
        functions: {
          visits: { entry: 'visits.py', environment: { DATABASE_URL: 'postgres://x' } },
        },
      },
      'field "functions.visits.environment.DATABASE_URL" is set by the project\'s database',
    ],
    [
      'records without a domain',
      { dns: { records: [{ name: '@', type: 'TXT', value: 'x' }] } },
      'field "dns.records" needs a domain',
    ],
  ])('refuses %s by name', (_, config, text) => {
    expect(() => resolve(config)).toThrow(text)
  })
})
