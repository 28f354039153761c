import type { AwsRequest } from '../../aws/aws-request.ts'
import { AwsError } from '../../aws/errors.ts'
import { invalidArgument } from '../../aws/xml/shape.ts'
import {
  type Distribution,
  type DistributionStore,
  type InvalidationRecord,
  invalidationId,
} from './distribution.ts'
import { type Answer, page, readBody } from './messages.ts'
import { invalidationBatch } from './shapes/config.ts'
import { invalidation, invalidationList } from './shapes/results.ts'

/** CloudFront's limit for paths without wildcard. */
const MAX_PATHS = 3000
const MAX_PATH_LENGTH = 4000
/** CloudFront's for a tag. */
const MAX_TAG_LENGTH = 256
const MAX_PAGE = 100

export async function createInvalidation(
  request: AwsRequest,
  { project }: Distribution,
  store: DistributionStore,
  nowMs: number,
): Promise<Answer> {
  const { CallerReference, Paths } = readBody(request, 'InvalidationBatch', invalidationBatch)
  if (CallerReference === '') throw invalidArgument('CallerReference is empty.')
  if (Paths.length === 0) throw invalidArgument('Paths names no path.')
  if (Paths.length > MAX_PATHS) {
    const message = `Paths has ${Paths.length} items; ${MAX_PATHS} are allowed. "/*" is one.`
    throw new AwsError('BatchTooLarge', 413, message)
  }
  for (const path of Paths) requirePath(path)
  const record: InvalidationRecord = {
    id: invalidationId(project, CallerReference, nowMs),
    callerReference: CallerReference,
    createdMs: nowMs,
    paths: Paths,
  }
  const kept = await store.invalidate(project, record)
  if (kept.paths.join('\n') === Paths.join('\n')) return answerWith(201, kept)
  throw new AwsError(
    'InvalidationBatchAlreadyExists',
    409,
    `An invalidation of other paths has the CallerReference "${CallerReference}".`,
  )
}

export async function getInvalidation(
  { project }: Distribution,
  id: string,
  store: DistributionStore,
): Promise<Answer> {
  const found = (await store.invalidations(project)).find(record => record.id === id)
  if (found !== undefined) return answerWith(200, found)
  const message = `There is no invalidation "${id}" of this distribution among the last ones kept.`
  throw new AwsError('NoSuchInvalidation', 404, message)
}

export async function listInvalidations(
  { project }: Distribution,
  query: URLSearchParams,
  store: DistributionStore,
): Promise<Answer> {
  const all = await store.invalidations(project)
  const shown = page(all, query, ({ id }) => id, MAX_PAGE)
  const list = {
    ...shown,
    Items: shown.Items.map(({ id, createdMs }) => ({
      Id: id,
      CreateTime: new Date(createdMs).toISOString(),
      Status: 'Completed',
    })),
  }
  return { status: 200, element: invalidationList.write('InvalidationList', list) }
}

/** Done when it is answered: every worker has forgotten by then. */
function answerWith(status: number, record: InvalidationRecord): Answer {
  const value = {
    Id: record.id,
    Status: 'Completed',
    CreateTime: new Date(record.createdMs).toISOString(),
    InvalidationBatch: { Paths: record.paths, CallerReference: record.callerReference },
  }
  return { status, element: invalidation.write('Invalidation', value) }
}

function requirePath(path: string): void {
  if (path.startsWith('#')) {
    requireTag(path.slice(1))
    return
  }
  const problem = !path.startsWith('/')
    ? 'does not begin with "/"'
    : path.length > MAX_PATH_LENGTH
      ? `is longer than ${MAX_PATH_LENGTH} characters`
      : path.slice(0, -1).includes('*')
        ? 'has "*" elsewhere than at its end'
        : /[\0-\x20\x7f]/.test(path)
          ? 'has blanks or control characters, which stand as %20 there'
          : undefined
  if (problem === undefined) return
  throw invalidArgument(
    `Your request contains one or more invalid invalidation paths: "${path}" ${problem}.`,
  )
}

function requireTag(tag: string): void {
  if (/^[\x21-\x7e]+$/.test(tag) && !/[,*]/.test(tag) && tag.length <= MAX_TAG_LENGTH) return
  throw invalidArgument(
    `"#${tag}" names no tag: 1 to ${MAX_TAG_LENGTH} visible ASCII characters without "," and "*".`,
  )
}

/** What the edge is to forget: decoded paths and prefixes, for a query is no part of them; and tags. */
export function forgottenBy(paths: readonly string[]): { patterns: string[]; tags: string[] } {
  const patterns = new Set<string>()
  const tags = new Set<string>()
  for (const path of paths) {
    if (path.startsWith('#')) {
      tags.add(path.slice(1))
      continue
    }
    const question = path.indexOf('?')
    if (question !== -1) {
      // All that is kept of a path goes with it: its variants by query are among that.
      patterns.add(decoded(path.slice(0, question)))
      continue
    }
    const isPrefix = path.endsWith('*')
    patterns.add(isPrefix ? `${decoded(path.slice(0, -1))}*` : decoded(path))
  }
  return { patterns: [...patterns], tags: [...tags] }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
