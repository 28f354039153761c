import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Aws, noAws, startAws } from '../../../../../test/support/aws/start.ts'
import { remove, temporaryFolder, writeProject } from '../../../../../test/support/moka.ts'
import { loadProject } from '../../../../config/load.ts'
import { deploy } from '../../../deploy.ts'
import { sdk } from '../sdk/sdk.ts'
import { parseLive } from '../viewer/live.ts'
import { openReleaseTarget } from './aws-target.ts'
import type { BackendReleases } from './functions/aws-backend.ts'
import type { ReleaseTarget } from './release-target.ts'

const NO_BACKEND: BackendReleases = {
  lacksCode: async () => false,
  keep: async () => {},
  migrate: async () => [],
  publish: async () => ({}),
  activate: async () => async () => {},
  current: async () => ({}),
  forget: async () => {},
  close() {},
}

describe.skipIf(noAws !== undefined)('a target on AWS', () => {
  let aws: Aws
  let folder: string
  let nowMs = Date.now()
  let count = 0
  let outputs: Parameters<typeof openReleaseTarget>[1]['outputs']
  const clock = { now: () => nowMs }

  beforeAll(async () => {
    aws = await startAws()
    Object.assign(process.env, aws.env)
  })
  afterAll(() => aws?.close())

  beforeEach(async () => {
    count++
    nowMs = Date.now()
    folder = await temporaryFolder('aws')
    const { S3Client, CreateBucketCommand } = await sdk.s3()
    const s3 = new S3Client({ forcePathStyle: true, region: 'us-east-1' })
    await s3.send(new CreateBucketCommand({ Bucket: `bucket-${count}` }))
    const { arn } = aws.keyValueStores.create(`store-${count}`)
    outputs = {
      ...{ BucketName: `bucket-${count}`, KeyValueStoreArn: arn },
      ...{ DistributionId: 'E1', DistributionDomain: 'site.example' },
    }
    return () => remove(folder)
  })

  const store = () => aws.keyValueStores.get(`store-${count}`)
  const live = () => parseLive(store().keys.get('live') ?? '').release.i

  async function opened<T>(
    work: (target: ReleaseTarget) => Promise<T>,
    more: Partial<Parameters<typeof openReleaseTarget>[1]> = {},
  ): Promise<T> {
    const project = { ...(await loadProject(folder)) }
    const target = await openReleaseTarget(project, {
      ...{ clock, outputs, backend: NO_BACKEND, patienceMs: 100 },
      ask: async ({ release }) => expect(live()).toBe(release),
      ...more,
    })
    try {
      return await work(target)
    } finally {
      await target.close()
    }
  }
  const deployed = (more: Partial<Parameters<typeof openReleaseTarget>[1]> = {}) =>
    opened(async target => deploy(await loadProject(folder), target, { clock }), more)
  const site = (files: Record<string, string>) =>
    writeProject(
      folder,
      Object.fromEntries(Object.entries(files).map(([path, text]) => [join('dist', path), text])),
    )

  it('makes a first release, and none where nothing differs', async () => {
    await site({ 'index.html': '<h1>one</h1>', 'about/index.html': 'about' })
    const first = await deployed()
    expect(first.live).toBe('r-1')
    expect(live()).toBe('r-1')
    const again = await deployed()
    expect(again.activated).toBeUndefined()
    expect(again.live).toBe('r-1')
  })

  it('sends what changed, points at what did not, and copies what moved', async () => {
    await site({ 'index.html': 'one', 'same.html': 'same', 'old.html': 'moved' })
    await deployed()
    await rm(join(folder, 'dist/old.html'))
    await site({ 'index.html': 'two', 'new.html': 'moved' })
    const before = aws.faults.calls.length
    await deployed()
    const calls = aws.faults.calls.slice(before)
    expect(live()).toBe('r-2')
  })
})
