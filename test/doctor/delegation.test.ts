import { afterEach, describe, expect, it } from 'vitest'
import { findCaa } from '../../src/deploy/doctor/dns/caa.ts'
import { findDelegation } from '../../src/deploy/doctor/dns/delegation.ts'
import type { DnsView } from '../../src/deploy/doctor/dns/view.ts'
import type { DnsRecord } from '../../src/dns/record.ts'
import { openWorld, withDs } from './world.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function open(zones: Record<string, DnsRecord[]>): Promise<DnsView> {
  const world = await openWorld(zones)
  closers.push(() => world.close())
  return world.view
}

const servers: DnsRecord = { name: 'example', type: 'NS', value: ['ns2.old.net.', 'NS1.old.net.'] }

describe('findDelegation', () => {
  it('finds at the servers of the zone above what the registrar has set', async () => {
    const view = await open({ org: [servers] })
    expect(await findDelegation(view, 'example.org')).toEqual({
      kind: 'delegated',
      parent: 'org',
      nameServers: ['ns1.old.net', 'ns2.old.net'],
      keyTags: [],
    })
  })

  it('asks the nearest zone above, which need not be the nearest label', async () => {
    const records: DnsRecord[] = [{ name: 'shop.eu', type: 'NS', value: 'ns1.old.net.' }]
    const view = await open({ org: [], 'example.org': records })
    expect(await findDelegation(view, 'shop.eu.example.org')).toMatchObject({
      kind: 'delegated',
      parent: 'example.org',
    })
  })

  it('knows a name that nobody registered from one that is not delegated', async () => {
    const view = await open({ org: [{ name: 'example', type: 'A', value: '192.0.2.1' }] })
    expect(await findDelegation(view, 'example.org')).toEqual({
      kind: 'undelegated',
      parent: 'org',
    })
    expect(await findDelegation(view, 'none.org')).toEqual({ kind: 'unknown', parent: 'org' })
  })

  it('tells the key tags of DS records', async () => {
    const view = await open({ org: [servers] })
    expect(await findDelegation(withDs(view, 'example.org', 0x1234), 'example.org')).toMatchObject({
      keyTags: [0x1234],
    })
  })

  it('says so where no resolver answers', async () => {
    const view = await open({})
    await closers.pop()?.()
    await expect(findDelegation(view, 'example.org')).rejects.toMatchObject({
      code: 'DNS_NO_ANSWER',
    })
  })
})

describe('findCaa', () => {
  const caa = (name: string, ...value: string[]): DnsRecord => ({ name, type: 'CAA', value })

  it('takes the records of the nearest name that has some', async () => {
    const view = await open({
      org: [caa('@', '0 issue "other.example"')],
      'example.org': [caa('@', '0 issue "Amazon.com; x=1"', '0 iodef "mailto:a@example.org"')],
    })
    expect(await findCaa(view, 'www.example.org')).toEqual({
      at: 'example.org',
      issuers: ['amazon.com'],
    })
    expect(await findCaa(view, 'www.else.org')).toEqual({ at: 'org', issuers: ['other.example'] })
  })

  it('keeps apart who lets nobody issue and who says nothing of it', async () => {
    const view = await open({
      org: [],
      'a.org': [caa('@', '0 issue ";"')],
      'b.org': [caa('@', '0 iodef "mailto:a@example.org"')],
    })
    expect(await findCaa(view, 'a.org')).toEqual({ at: 'a.org', issuers: [''] })
    expect(await findCaa(view, 'b.org')).toEqual({ at: 'b.org', issuers: [] })
  })
})
