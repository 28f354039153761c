import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest'
import { createLogger } from '../../shared/logger.ts'
import { ProjectSecrets } from './project-secrets.ts'
import { openSecretsKey } from './secrets-key.ts'

let directory: string
let logged: string[]
const logger = createLogger(line => logged.push(line), 'debug')
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-secrets-'))
  logged = []
})
afterEach(() => rm(directory, { recursive: true }))

const keyPath = () => join(directory, 'secrets.key')
const path = (project = 'site') => join(directory, 'projects', project, 'secrets.json')

async function open(...projects: string[]): Promise<ProjectSecrets> {
  const key = await openSecretsKey(keyPath())
  return ProjectSecrets.open({ directory: join(directory, 'projects'), key, projects, logger })
}

test('keeps all that are added at the same time, for their owner alone to read', async () => {
  const secrets = await open()
  const numbers = Array.from({ length: 10 }, (_, number) => String(number))
  await Promise.all([
    ...numbers.map(number => secrets.set('site', `KEY_${number}`, `secret ${number}`, 1)),
    ...numbers.map(number => secrets.addAddresses('site', { [number.repeat(64)]: `at ${number}` })),
  ])
  for (const kept of [secrets, await open('site')]) {
    const values = numbers.map(number => kept.get('site', `KEY_${number}`))
    expect(values).toEqual(numbers.map(number => `secret ${number}`))
    expect(await kept.address('site', '7'.repeat(64))).toBe('at 7')
    expect(kept.get('other', 'KEY_1')).toBeUndefined()
  }
  for (const file of [path(), keyPath()]) expect((await stat(file)).mode & 0o777).toBe(0o600)
})

test('nothing that is written says a value, nor a name', async () => {
  const secrets = await open()
  await secrets.set('site', 'STRIPE_KEY', 'sk_live_4242', 1)
  await secrets.set('site', 'STRIPE_KEY', 'sk_live_4243', 2)
  const written = (await readFile(path(), 'latin1')) + (await readFile(keyPath(), 'latin1'))
  for (const form of ['sk_live', 'STRIPE', Buffer.from('sk_live_424').toString('base64')]) {
    expect(written).not.toContain(form)
  }
  expect(await readdir(join(directory, 'projects', 'site'))).toEqual(['secrets.json'])
})

test('one that could not be written fails alone', async () => {
  const secrets = await open()
  await mkdir(path(), { recursive: true })
  await expect(secrets.set('site', 'A', '1', 1)).rejects.toThrow(/EISDIR/)
  await rm(path(), { recursive: true })
  await secrets.set('site', 'B', '2', 1)
  expect(secrets.list('site')).toEqual([{ name: 'B', setMs: 1 }])
})

test('addresses that were kept in clear are encrypted when they are met', async () => {
  await mkdir(join(directory, 'projects', 'site'), { recursive: true })
  const clear = { ['a'.repeat(64)]: 'postgres://u:hunter22@h/d' }
  await writeFile(path(), `${JSON.stringify(clear)}\n`)
  const secrets = await open('site')
  expect(await secrets.address('site', 'a'.repeat(64))).toBe('postgres://u:hunter22@h/d')
  expect(await readFile(path(), 'utf8')).not.toContain('hunter22')
  expect(await (await open('site')).address('site', 'a'.repeat(64))).toContain('hunter22')
})

describe('a file that cannot be read', () => {
  const unreadable = (reason: RegExp) =>
    expect.objectContaining({
      code: 'CLOUD_SECRETS_UNREADABLE',
      message: expect.stringMatching(reason),
      hint: expect.stringContaining(keyPath()),
    })

  it('names the key that is another one, and is not overwritten', async () => {
    await (await open()).set('site', 'KEY', 'value 1', 1)
    const before = await readFile(path(), 'utf8')
    await rm(keyPath())
    const secrets = await open('site')
    const error = unreadable(/encrypted with another key than ".*secrets\.key"/)
    expect(() => secrets.get('site', 'KEY')).toThrow(error)
    await expect(secrets.set('site', 'KEY', 'value 2', 2)).rejects.toThrow(error)
    expect(logged.join()).toContain('another key')
    expect(await readFile(path(), 'utf8')).toBe(before)
    await secrets.set('other', 'KEY', 'value', 1)
    expect(secrets.get('other', 'KEY')).toBe('value')
  })

  it('is none that belongs to another project', async () => {
    await (await open()).set('site', 'KEY', 'value 1', 1)
    await mkdir(join(directory, 'projects', 'other'))
    await writeFile(path('other'), await readFile(path()))
    const secrets = await open('site', 'other')
    expect(() => secrets.get('other', 'KEY')).toThrow(unreadable(/it is damaged/))
    expect(secrets.get('site', 'KEY')).toBe('value 1')
  })

  it.each([
    ['cut off', (text: string) => text.slice(0, -20)],
    [
      'changed in one bit',
      (text: string) => text.replace(/.(?=.{40}"\})/, c => (c === 'A' ? 'B' : 'A')),
    ],
    ['empty', () => ''],
  ])('is one that was %s', async (_, damage) => {
    await (await open()).set('site', 'KEY', 'value 1', 1)
    await writeFile(path(), damage(await readFile(path(), 'utf8')))
    const secrets = await open('site')
    expect(() => secrets.get('site', 'KEY')).toThrow(unreadable(/it is damaged/))
  })

  it('has a key file that is none: the cloud does not start', async () => {
    await writeFile(keyPath(), 'not a key\n')
    await expect(open()).rejects.toThrow(
      expect.objectContaining({ message: expect.stringContaining(keyPath()) }),
    )
  })
})

test('a revision differs when a value does, and is the same after a restart', async () => {
  const secrets = await open()
  const revision = (kept = secrets) => kept.revision('site', ['A', 'B'])
  const seen = [revision()]
  await secrets.set('site', 'A', 'one', 1)
  seen.push(revision())
  await secrets.set('site', 'A', 'two', 1)
  seen.push(revision())
  await secrets.remove('site', 'A')
  expect(revision()).toBe(seen[0])
  await secrets.set('site', 'A', 'two', 1)
  seen.push(revision())
  expect(new Set(seen).size).toBe(4)
  await secrets.set('site', 'A', 'two', 9)
  await secrets.set('site', 'C', 'else', 9)
  expect(revision()).toBe(seen[3])
  expect(revision(await open('site'))).toBe(seen[3])
})

test('whatever was ever a secret is masked: a value of before, one removed, the password of a database', async () => {
  const secrets = await open()
  await secrets.set('site', 'A', 'first value', 1)
  await secrets.set('site', 'A', 'second value', 1)
  await secrets.set('site', 'B', 'removed value', 1)
  await secrets.remove('site', 'B')
  await secrets.addAddresses('site', { ['a'.repeat(64)]: 'postgres://u:pass%20word@h/d' })
  const text = 'first value, second value, removed value, postgres://u:pass%20word@h/d, pass word'
  for (const kept of [secrets, await open('site')]) {
    expect(kept.masker('site').mask(text)).toBe('***, ***, ***, ***, ***')
    expect(kept.masker('other').mask(text)).toBe(text)
    expect(kept.maskerOfAll().mask(text)).toBe('***, ***, ***, ***, ***')
  }
})
