// CloudFront's API of 2020-05-31, as far as a distribution here is like one there:
//
//   path and method → operation → distribution → read the body → do it → answer

import { type AwsRequest, splitTarget } from '../../aws/aws-request.ts'
import type { AwsService } from '../../aws/dispatch.ts'
import { AwsError } from '../../aws/errors.ts'
import { type Distribution, type DistributionStore, distributionId } from './distribution.ts'
import {
  createDistribution,
  deleteDistribution,
  getDistribution,
  getDistributionConfig,
  listDistributions,
  updateDistribution,
} from './distributions.ts'
import { createInvalidation, getInvalidation, listInvalidations } from './invalidations.ts'
import { type Answer, NAMESPACE, respond } from './messages.ts'

const PREFIX = '/2020-05-31/'

export function createCloudFrontDoor(options: {
  store: DistributionStore
  now: () => number
}): AwsService {
  return {
    namespace: NAMESPACE,
    handle: async request => respond(await run(request, options.store, options.now())),
  }
}

async function run(request: AwsRequest, store: DistributionStore, nowMs: number): Promise<Answer> {
  const { path, query } = splitTarget(request.target)
  const asked = new URLSearchParams(query)
  const [kind, id, part, partId, ...more] = segmentsOf(path)
  const what = `${request.method} ${kind ?? ''}`
  if (kind !== 'distribution' || more.length > 0 || asked.has('WithTags')) throw unknown(request)
  if (id === undefined) {
    if (what === 'POST distribution') return createDistribution(request, store)
    if (what === 'GET distribution') return listDistributions(asked, store)
    throw unknown(request)
  }
  const found = () => findDistribution(id, store)
  switch (`${request.method} ${[part, partId && '…'].filter(Boolean).join('/')}`) {
    case 'GET ':
      return getDistribution(found())
    case 'DELETE ':
      return deleteDistribution(request, found(), store)
    case 'GET config':
      return getDistributionConfig(found())
    case 'PUT config':
      return updateDistribution(request, found(), store)
    case 'POST invalidation':
      return createInvalidation(request, found(), store, nowMs)
    case 'GET invalidation':
      return listInvalidations(found(), asked, store)
    case 'GET invalidation/…':
      return getInvalidation(found(), partId ?? '', store)
    default:
      throw unknown(request)
  }
}

function segmentsOf(path: string): string[] {
  if (!path.startsWith(PREFIX)) return []
  return path.slice(PREFIX.length).split('/')
}

function findDistribution(id: string, store: DistributionStore): Distribution {
  const found = store.list().find(({ project }) => distributionId(project) === id)
  if (found !== undefined) return found
  throw new AwsError('NoSuchDistribution', 404, `There is no distribution "${id}" here.`)
}

function unknown({ method, target }: AwsRequest): AwsError {
  return new AwsError(
    'UnsupportedOperation',
    400,
    `${method} ${splitTarget(target).path} is not supported here: of CloudFront there are CreateInvalidation, GetInvalidation, ListInvalidations, and Create-, Get-, Update-, List- and DeleteDistribution, in the version of 2020-05-31.`,
  )
}
