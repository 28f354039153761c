import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type ControlClient,
  closeOwnCloud,
  deployFrom,
  type OwnCloud,
  openOwnCloud,
} from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import { type TestCloud, until, writeProject } from '../support/moka.ts'
import { commandOf, descendants } from '../support/processes.ts'
import { createRandom } from '../support/random.ts'

// An edge worker holds no truth: it may be killed at any moment, and comes back with what is live.

const random = createRandom('MOKA_CHAOS_SEED')
const HOSTS = ['one.example', 'two.example']
let own: OwnCloud | undefined
let root: string
let cloud: TestCloud
let client: ControlClient

beforeAll(async () => {
  own = await openOwnCloud('workers')
  ;({ root, cloud, client } = own)
})

afterAll(() => closeOwnCloud(own))

async function workers(): Promise<number[]> {
  const below = await descendants(cloud.pid)
  const commands = await Promise.all(below.map(commandOf))
  return below.filter((_, index) => /cloud\/workers\/worker\.js/.test(commands[index]!))
}

async function deployPage(host: string, text: string) {
  const name = host.replace('.example', '')
  await writeProject(join(root, name), {
    'moka.config.ts': `export default { name: '${name}', domain: '${host}' }\n`,
    'dist/index.html': text,
  })
  return deployFrom(join(root, name), client)
}

/** Connections are spread over the workers: enough of them to meet each one. */
async function expectPages(expected: Record<string, string>): Promise<void> {
  for (const host of HOSTS) {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ask(cloud.addresses.site, '/', { host })),
    )
    const texts = new Set(answers.map(answer => answer.body.toString()))
    expect(texts, host).toEqual(new Set([expected[host]]))
  }
}

test('workers that are killed during deploys of two projects come back with what is live', async () => {
  const count = (await workers()).length
  const expected: Record<string, string> = {}
  for (const host of HOSTS) await deployPage(host, `${host} 0`)
  for (let round = 1; round <= 8; round++) {
    const where = `seed ${random.seed}, round ${round}`
    const deploys = Promise.all(
      HOSTS.map(host => {
        expected[host] = `${host} ${round}`
        return deployPage(host, expected[host])
      }),
    )
    const victim = random.pick(await workers())
    await new Promise(resolve => setTimeout(resolve, random.below(60))) // a moment, not a condition
    process.kill(victim, 'SIGKILL')
    for (const { activated } of await deploys) {
      // Those that confirmed are all of them: one that died was asked again after its restart.
      expect(activated?.confirmedBy, where).toHaveLength(count)
    }
    const isBack = async () => {
      const now = await workers()
      return now.length === count && !now.includes(victim)
    }
    await until(isBack, 30_000, `${where}: the worker's replacement`)
    await until(
      () =>
        expectPages(expected).then(
          () => true,
          error => (/ECONNREFUSED|ECONNRESET/.test(error) ? false : Promise.reject(error)),
        ),
      30_000,
      `${where}: pages`,
    )
  }
}, 150_000)

test('with every worker killed at once the site is back at the same address', async () => {
  const page = (await ask(cloud.addresses.site, '/', { host: HOSTS[0]! })).body.toString()
  for (const pid of await workers()) process.kill(pid, 'SIGKILL')
  let found = ''
  const isBack = async () => {
    const answer = await ask(cloud.addresses.site, '/', { host: HOSTS[0]! }).catch(() => undefined)
    found = answer?.body.toString() ?? ''
    return answer !== undefined
  }
  await until(isBack, 30_000, 'the site')
  expect(found).toBe(page)
})
