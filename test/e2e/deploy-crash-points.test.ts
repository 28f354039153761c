import { describe, test } from 'vitest'
import { BLOB, type Call, describeCrashes, momentOf } from '../support/crash/describe-crashes.ts'

// kill -9 at named moments of a deploy, of the client, an edge worker and, during migrations, the cloud,
// while people visit the site: each answer is of one release, whole, what was live stays or the new
// one is, no release is lost, and the next deploy works without a hand.

const CLIENT: Call[] = [
  ['as the build begins', 'after', 'spawn', 'cp -rp pages'],
  ['when the build has ended', 'before', 'end', 'cp -rp pages'],
  ['before it asks what is live', 'before', 'request', '/live$'],
  ['when it knows what is live', 'before', 'response', '/live$'],
  ['before it keeps the hashes', 'before', 'rename', 'hash-cache\\.json$'],
  ['when it has kept the hashes', 'after', 'rename', 'hash-cache\\.json$'],
  ['before it asks what is missing', 'before', 'request', '/v1/missing$'],
  ['when it knows what is missing', 'before', 'response', '/v1/missing$'],
  ['before the upload', 'before', 'request', '/v1/blobs$'],
  ['when some of the blobs are sent', 'after', 'body', '/v1/blobs', 1],
  ['in the middle of a large blob', 'after', 'body', '/v1/blobs', 3],
  ['when all is uploaded', 'before', 'response', '/v1/blobs$'],
  ['before it publishes', 'before', 'request', '/v1/releases$'],
  ['while it is published', 'before', 'response', '/v1/releases$'],
  ['before it says what it did', 'before', 'print', '"release"'],
]

const WORKER: Call[] = [
  ['when it hears of the release', 'before', 'receive', 'sites next'],
  ['before it reads the manifest', 'before', 'read', BLOB],
  ['when it has read the manifest', 'after', 'read', BLOB],
  ['before it says that it has it', 'before', 'send', 'serving'],
  ['when it has said so', 'after', 'send', 'serving'],
  ['when it is told to serve it', 'before', 'receive', 'sites live'],
  ['before it confirms', 'before', 'send', 'serving', 2],
  ['when it has confirmed', 'after', 'send', 'serving', 2],
]

const MIGRATIONS: Call[] = [
  ['before the first migration', 'before', 'socket', 'create table'],
  ['before the first is committed', 'before', 'socket', 'commit'],
  ['between the migrations', 'before', 'socket', 'create table', 2],
  ['when the second is committed', 'after', 'socket', 'commit', 2],
]

describe('the client is killed', () => describeCrashes('client', CLIENT))
describe('the cloud is killed', () => describeCrashes('server', MIGRATIONS, { database: true }))
describe('an edge worker is killed', () =>
  describeCrashes('worker', WORKER, {
    more(site) {
      const told = momentOf('worker', ['', 'before', 'receive', 'sites next'])
      test('when it hears of the release, and the next one as it starts', () =>
        site().crash([told, momentOf('worker', ['', 'before', 'receive', 'start'])]))
      test('when it hears of the release, and the next one before it serves', () =>
        site().crash([told, momentOf('worker', ['', 'before', 'send', 'serving'])]))
    },
  }))
