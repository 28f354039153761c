import { describe } from 'vitest'
import { BLOB, type Call, describeCrashes } from '../support/crash/describe-crashes.ts'

// kill -9 of the cloud's main process at named moments of a deploy; deploy-crash-points.test.ts has
// those of the others, and what holds at each.

const TEMPORARY_BLOB = '/blobs/\\.tmp'
const POINTER = 'live\\.json'
const JOURNAL = 'invalidations\\.log$'

const MOMENTS: Call[] = [
  ['before a blob is opened', 'before', 'open', TEMPORARY_BLOB],
  ['when a blob is written and not flushed', 'after', 'write', TEMPORARY_BLOB],
  ['when a blob is flushed', 'after', 'sync', TEMPORARY_BLOB],
  ['before a blob gets its name', 'before', 'rename', BLOB],
  ['when a blob has its name', 'after', 'rename', BLOB],
  ['when half of the blobs have their names', 'after', 'rename', BLOB, 7],
  ['before the names are flushed', 'before', 'sync', '/blobs$'],
  ['when the names are flushed', 'after', 'sync', '/blobs$'],
  ['when the manifest is flushed', 'after', 'sync', '/blobs$', 2],
  ['before the pointer is written', 'before', 'open', POINTER],
  ['when the pointer is written and not flushed', 'after', 'write', POINTER],
  ['before the pointer is renamed', 'before', 'rename', POINTER],
  ['when the pointer is renamed', 'after', 'rename', POINTER],
  ['when the pointer is flushed', 'after', 'sync', '/projects/site$'],
  ['before a worker hears of the release', 'before', 'send', 'sites next'],
  ['when one worker has heard of it', 'after', 'send', 'sites next'],
  ['when both have heard of it', 'after', 'send', 'sites next', 2],
  ['when one has it', 'after', 'receive', 'serving'],
  ['when both have it', 'after', 'receive', 'serving', 2],
  ['before the invalidation is written', 'before', 'write', JOURNAL],
  ['when the invalidation is written and not flushed', 'after', 'write', JOURNAL],
  ['when the invalidation is flushed', 'after', 'sync', JOURNAL],
  ['when one worker is told to serve it', 'after', 'send', 'sites live'],
  ['when both are told', 'after', 'send', 'sites live', 2],
  ['when one serves it', 'after', 'receive', 'serving', 3],
  ['when both serve it', 'after', 'receive', 'serving', 4],
  ['before it answers', 'before', 'body', 'answer \\{"result"'],
  ['when it has answered', 'after', 'body', 'answer \\{"result"'],
]

describe('the cloud is killed', () => describeCrashes('server', MOMENTS))
