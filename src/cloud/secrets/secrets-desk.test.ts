import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { emptyDraft, type ReleaseDraft, type ReleaseManifest } from '../../releases/manifest.ts'
import { silentLogger } from '../../shared/logger.ts'
import { FunctionVersions } from '../function-versions.ts'
import { ProjectSecrets } from './project-secrets.ts'
import { checkSecrets, SecretsDesk, secretVariables } from './secrets-desk.ts'
import { openSecretsKey } from './secrets-key.ts'

let directory: string
let secrets: ProjectSecrets
let versions: FunctionVersions
let retired: string[]
let live: ReleaseManifest | undefined
let desk: SecretsDesk
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moka-desk-'))
  const key = await openSecretsKey(join(directory, 'key'))
  secrets = await ProjectSecrets.open({ directory, key, projects: [], logger: silentLogger })
  versions = new FunctionVersions((project, names) => secrets.revision(project, names))
  retired = []
  known.clear()
  live = undefined
  desk = new SecretsDesk({
    secrets,
    versions,
    releases: { live: () => live && ({ release: { manifest: live } } as never) },
    functions: {
      retire(isKept) {
        for (const id of known) if (!isKept(id)) retired.push(id)
      },
    },
    clock: { now: () => 7 },
  })
})
afterEach(() => rm(directory, { recursive: true }))

const known = new Set<string>()
const settings = {
  ...{ runtime: 'node' as const, handler: 'f.handler', codeSha256: 'c'.repeat(64), routes: [] },
  ...{ timeoutMs: 1, memoryMb: 128, environment: {} },
}
const draft: ReleaseDraft = {
  ...emptyDraft('site'),
  functions: { pay: { ...settings, secrets: ['KEY'] }, plain: settings },
}

function goLive(release = draft): void {
  live = { ...release, id: 'r-1', createdMs: 0 }
  versions.add(live)
  known.clear()
  for (const name of Object.keys(release.functions)) known.add(idOf(name))
}
const idOf = (name: string) => versions.find('site', 'r-1', name)!.id

describe('a value that changes', () => {
  it('ends the environments of the functions that have it, and no others', async () => {
    await desk.set('site', 'KEY', 'value 1')
    goLive()
    const before = { pay: idOf('pay'), plain: idOf('plain') }
    expect(await desk.set('site', 'KEY', 'value 2')).toEqual({
      ...{ name: 'KEY', isNew: false, functions: ['pay'] },
    })
    expect(retired).toEqual([before.pay])
    expect(idOf('pay')).not.toBe(before.pay)
    expect(idOf('plain')).toBe(before.plain)
    expect(secretVariables(versions.find('site', 'r-1', 'pay')!, secrets)).toEqual({
      KEY: 'value 2',
    })
    expect(secretVariables(versions.find('site', 'r-1', 'plain')!, secrets)).toEqual({})
  })

  it('ends none where it is set to what it is, or where nobody has it', async () => {
    await desk.set('site', 'KEY', 'value 1')
    goLive()
    await desk.set('site', 'KEY', 'value 1')
    await desk.set('site', 'OTHER', 'value')
    await desk.set('shop', 'KEY', 'value')
    expect(retired).toEqual([])
  })
})

describe('a release', () => {
  it('is refused by the name of what is not set, function by function', async () => {
    const check = () => checkSecrets(draft, secrets, 'refused')
    expect(check).toThrow('function "pay" needs secret "KEY", which is not set')
    await desk.set('shop', 'KEY', 'of another project')
    expect(check).toThrow()
    await desk.set('site', 'KEY', 'value')
    expect(check).not.toThrow()
  })

  it('is refused where what should be told of it cannot be', async () => {
    const check = () => {
      checkSecrets({ ...emptyDraft('site'), notify: [{ secret: 'CHAT' }] }, secrets, 'refused')
    }
    expect(check).toThrow('field "notify" needs secret "CHAT", which is not set')
    await desk.set('site', 'CHAT', 'ftp://example.org')
    expect(check).toThrow('field "notify" needs an address in secret "CHAT"')
    await desk.set('site', 'CHAT', 'https://example.org/hook')
    expect(check).not.toThrow()
  })
})

describe('a secret that the live release needs', () => {
  it('is listed with who gets it, and cannot be removed', async () => {
    for (const name of ['KEY', 'CHAT', 'OLD']) await desk.set('site', name, 'https://h/')
    goLive({ ...draft, notify: [{ secret: 'CHAT' }] })
    const setMs = 7
    expect(await desk.list('site')).toEqual([
      { name: 'CHAT', setMs, functions: [], isForNotifications: true },
      { name: 'KEY', setMs, functions: ['pay'], isForNotifications: false },
      { name: 'OLD', setMs, functions: [], isForNotifications: false },
    ])
    await expect(desk.remove('site', 'KEY')).rejects.toThrow('function "pay" uses it')
    await expect(desk.remove('site', 'CHAT')).rejects.toThrow('its notifications use it')
    await expect(desk.remove('site', 'NONE')).rejects.toMatchObject({
      hint: 'one of CHAT, KEY, OLD',
    })
    await desk.remove('site', 'OLD')
    expect(await desk.list('site')).toHaveLength(2)
  })
})

it('a project’s name leads to no other folder', async () => {
  for (const project of ['..', '../x', 'a/b', '', '__proto__']) {
    await expect(desk.set(project, 'KEY', 'value')).rejects.toMatchObject({
      code: 'SECRETS_BAD_PROJECT',
    })
  }
})
