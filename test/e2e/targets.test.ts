import { describe } from 'vitest'
import { loadProject } from '../../src/config/load.ts'
import { openAwsTarget } from '../../src/deploy/targets/aws/release/open-aws.ts'
import { systemClock } from '../../src/shared/clock.ts'
import { describeTarget, type TargetUnderTest } from '../contract/describe-target.ts'
import { noAws, startAws } from '../support/aws/start.ts'
import { startEdge, type TestEdge } from '../support/aws/test-edge.ts'
import { closeOwnCloud, openOwnCloud } from '../support/deploying.ts'
import { ask } from '../support/http.ts'
import { hasBuild } from '../support/moka.ts'

async function openHome(): Promise<TargetUnderTest> {
  const own = await openOwnCloud('target')
  const { site } = own.cloud.addresses
  const get = async (host: string, path: string) => {
    const { status, body } = await ask(site, path, { headers: { host } })
    return { status, body: body.toString() }
  }
  return {
    using: (_folder, work) => work(own.client),
    get: (project, path) => get(`${project}.localhost`, path),
    getPreview: (project, preview, path) => get(`${preview}.preview.${project}.localhost`, path),
    close: () => closeOwnCloud(own),
  }
}

async function openAws(): Promise<TargetUnderTest> {
  const aws = await startAws()
  Object.assign(process.env, aws.env)
  const edges = new Map<string, TestEdge>()
  const get = async (edge: TestEdge | undefined, path: string, headers = {}) => {
    const answer = await ask(edge?.address ?? '', path, { headers })
    return { status: answer.status, body: answer.body.toString() }
  }
  return {
    async using(folder, work) {
      const project = await loadProject(folder)
      const { name } = project
      if (!edges.has(name)) edges.set(name, await startEdge(aws, name))
      process.env.MOKA_AWS_SITE = edges.get(name)!.address
      const target = openAwsTarget(project, { clock: systemClock, isDeploy: true })
      try {
        return await work(target)
      } finally {
        await target.close()
      }
    },
    get: (project, path) => get(edges.get(project), path),
    getPreview: (project, preview, path) =>
      get(edges.get(project), path, { cookie: `moka-preview-name=${preview}` }),
    async close() {
      for (const edge of edges.values()) await edge.close()
      await aws.close()
    },
  }
}

describe.skipIf(!hasBuild())('at home', () => describeTarget(openHome))

describe.skipIf(noAws !== undefined)(
  `on AWS ${noAws === undefined ? '' : `(skipped: ${noAws})`}`,
  () => {
    describe('with releases', () => describeTarget(openAws))

    describe('in classic mode', () =>
      describeTarget(openAws, {
        settings: `, aws: { mode: 'classic' }`,
        lacks: { rollback: 'AWS_CLASSIC_NO_ROLLBACK', previews: 'AWS_CLASSIC_NO_PREVIEWS' },
        isMoving: false,
      }))
  },
)
