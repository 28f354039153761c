import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { ROOT } from '../support/moka.ts'

const run = promisify(execFile)

/** A user and mount namespace, in which anybody may mount a small disk. */
const NAMESPACE = ['--user', '--map-root-user', '--mount', 'sh', '-c']

function mayMount(): boolean {
  try {
    execFileSync('unshare', [...NAMESPACE, 'mount -t tmpfs -o size=64k tmpfs /tmp'])
    return true
  } catch {
    return false
  }
}

const SCRIPT = `
import { rmSync, writeFileSync } from 'node:fs'
import { openObjectStore } from '${ROOT}/dist/bucket/bucket.js'
const [directory] = process.argv.slice(1)
const store = await openObjectStore({ directory, clock: Date })
const blob = await store.blobs.put(Buffer.from('v'))
const put = (key, metadata = {}) =>
  store.putObject({ bucket: 'site', key, content: blob, metadata }).then(
    () => 'stored',
    error => [error.code, error.message, error.hint !== undefined],
  )
const outcomes = [await put('before')]
try { writeFileSync(directory + '/filler', Buffer.alloc(1 << 22)) } catch {}
outcomes.push(await store.blobs.put(Buffer.alloc(1 << 20)).catch(error => [error.code]))
outcomes.push(await put('full', { text: 'x'.repeat(1000) }))
rmSync(directory + '/filler')
outcomes.push(await put('after'))
const keys = store.listObjects('site').objects.map(object => object.key)
await store.close()
console.log(JSON.stringify({ outcomes, keys }))
`

it.runIf(mayMount())('a full disk fails the write with an error, and no more', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'moka-full-'))
  const command =
    'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" --input-type=module -e "$3" "$1"'
  const args = [...NAMESPACE, command, 'sh', directory, process.execPath, SCRIPT]
  const { stdout } = await run('unshare', args)
  await rm(directory, { recursive: true })
  const { outcomes, keys } = JSON.parse(stdout)
  expect(outcomes).toEqual([
    'stored',
    ['DISK_FULL'],
    ['DISK_FULL', expect.stringContaining(`object index "${directory}/objects.lmdb"`), true],
    'stored',
  ])
  expect(keys).toEqual(['after', 'before'])
})
