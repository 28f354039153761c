import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLogger } from '../shared/logger.ts'
import { UIDS } from '../shared/users/project-users.ts'
import { type Fixture, openFixture } from './fixture.contract.ts'
import { hasPython } from './runtimes/python/interpreter.ts'

const runtimes = hasPython() ? (['node', 'python'] as const) : (['node'] as const)
let directory: string
let fixture: Fixture

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'isolation-'))
  fixture = await openFixture()
})

afterEach(async () => {
  await fixture.close()
  await rm(directory, { recursive: true, force: true })
})

/** Runs handlers that do the same in both languages, in a fresh environment. */
async function run(
  runtime: 'node' | 'python',
  code: { node: string; python: string },
  event: unknown = {},
  project = 'site',
): Promise<unknown> {
  const version = fixture.version(
    { 'index.mjs': code.node, 'index.py': code.python, 'more.py': 'x = 1' },
    { runtime, timeoutMs: 10_000, project },
  )
  const outcome = await fixture.functions.invoke(version, event)
  return outcome.kind === 'success' ? outcome.payload : outcome
}

describe.runIf(process.platform === 'linux')('a function', () => {
  const OPEN_FILES = {
    node: `import { readdirSync, readlinkSync } from 'node:fs'
      export const handler = async () => readdirSync('/proc/self/fd').flatMap(fd => {
        try { return [readlinkSync('/proc/self/fd/' + fd)] } catch { return [] }
      })`,
    python: `import os
def handler(event, context):
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try: found.append(os.readlink("/proc/self/fd/" + fd))
        except OSError: pass
    return found`,
  }

  it.each(runtimes)('of %s inherits no file that the cloud has open', async runtime => {
    const store = open({ path: join(directory, 'objects.lmdb') }) // opened without O_CLOEXEC
    try {
      for (const _ of ['fresh', 'kept ready']) {
        const files = (await run(runtime, OPEN_FILES)) as string[]
        expect(files.length).toBeGreaterThan(2)
        expect(files.filter(file => file.includes('lmdb'))).toEqual([])
      }
    } finally {
      await store.close()
    }
  })
})

const isRoot = process.platform === 'linux' && process.getuid?.() === 0

/** What a function finds out about itself, and what it may do to the files of `event`. */
const PROBE = {
  node: `import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
    const attempt = run => { try { run(); return 'done' } catch (error) { return error.code } }
    export const handler = async event => ({
      user: [process.getuid(), process.geteuid(), process.getgid(), ...process.getgroups()],
      status: readFileSync('/proc/self/status', 'utf8'),
      home: [process.env.HOME, process.env.TMPDIR],
      reads: event.read.map(path => attempt(() => readFileSync(path))),
      writes: event.write.map(path => attempt(() => writeFileSync(path, 'x'))),
      code: attempt(() => writeFileSync(process.env.LAMBDA_TASK_ROOT + '/index.mjs', '')),
      kept: attempt(() => writeFileSync(process.env.TMPDIR + '/kept', '')),
      self: attempt(() => readdirSync('/proc/self/fd')),
      cloud: attempt(() => process.kill(event.cloud, 0)),
    })`,
  python: `import os, more
def attempt(run):
    try:
        run()
        return "done"
    except OSError as error:
        import errno
        return errno.errorcode[error.errno]
def write(path):
    with open(path, "w") as file: file.write("x")
def handler(event, context):
    root, home = os.environ["LAMBDA_TASK_ROOT"], os.environ.get("TMPDIR", "")
    return {
        "user": [os.getuid(), os.geteuid(), os.getgid(), *os.getgroups()],
        "status": open("/proc/self/status").read(),
        "home": [os.environ.get("HOME"), os.environ.get("TMPDIR")],
        "reads": [attempt(lambda: open(path).read()) for path in event["read"]],
        "writes": [attempt(lambda: write(path)) for path in event["write"]],
        "code": attempt(lambda: write(root + "/index.py")),
        "kept": attempt(lambda: write(home + "/kept")),
        "self": attempt(lambda: os.listdir("/proc/self/fd")),
        "cloud": attempt(lambda: os.kill(event["cloud"], 0)),
    }`,
}

interface Probed {
  user: number[]
  status: string
  home: string[]
  reads: string[]
  writes: string[]
  code: string
  kept: string
  self: string
  cloud: string
}

describe.runIf(isRoot)('a function of a cloud that is root', () => {
  const probe = (
    runtime: 'node' | 'python',
    files: { read?: string[]; write?: string[] } = {},
    project?: string,
  ) => {
    const event = { read: [], write: [], ...files, cloud: process.pid }
    return run(runtime, PROBE, event, project) as Promise<Probed>
  }

  it.each(runtimes)('of %s is somebody else, who has a home and nothing more', async runtime => {
    const token = join(directory, 'token')
    await chmod(directory, 0o711)
    await writeFile(token, 'secret', { mode: 0o600 })
    const open = join(directory, 'open')
    await writeFile(open, 'public', { mode: 0o644 })
    const environ = `/proc/${process.pid}/environ`
    for (const _ of ['fresh', 'kept ready']) {
      const found = await probe(runtime, { read: [open, token, environ], write: [open] })
      const [uid = 0] = found.user
      expect(uid).toBeGreaterThanOrEqual(UIDS.functions.first)
      expect(uid).toBeLessThanOrEqual(UIDS.functions.last)
      expect(new Set(found.user)).toEqual(new Set([uid]))
      expect(found.status).toMatch(/^CapPrm:\t0+\nCapEff:\t0+$/m)
      expect(found.status).toMatch(/^NoNewPrivs:\t1$/m)
      expect(found).toMatchObject({
        reads: ['done', 'EACCES', 'EACCES'],
        writes: ['EACCES'],
        code: 'EACCES',
        kept: 'done',
        self: 'done',
        cloud: 'EPERM',
      })
      expect(found.home[0]).toBe(found.home[1])
    }
  })

  it.each(runtimes)('of %s does not reach those of another project', async runtime => {
    const one = await probe(runtime, {}, 'one')
    const other = await probe(runtime, { read: [`${one.home[0]}/kept`] }, 'other')
    expect(other.user[0]).not.toBe(one.user[0])
    expect(other.reads).toEqual(['EACCES'])
    const again = await probe(runtime, { read: [`${one.home[0]}/kept`] }, 'one')
    expect([again.user[0], again.reads]).toEqual([one.user[0], ['done']])
  })

  it.runIf(hasPython())('of Python keeps its compiled form, and dies with its zygote', async () => {
    const code = `import ctypes, more, os
def handler(event, context):
    signal = ctypes.c_int()
    ctypes.CDLL(None).prctl(2, ctypes.byref(signal))  # PR_GET_PDEATHSIG
    return [signal.value, os.environ["HOME"]]`
    const [signal, home] = (await run('python', { node: '', python: code })) as [number, string]
    expect(signal).toBe(9)
    const files = await readdir(join(home, '.pycache'), { recursive: true })
    expect(files.filter(file => /more\..*\.pyc$/.test(file))).toHaveLength(1)
  })

  it.each(runtimes)('of %s leaves nothing in its home when the cloud ends', async runtime => {
    const { home } = await probe(runtime)
    expect(existsSync(join(home[0]!, 'kept'))).toBe(true)
    await fixture.functions.close()
    expect(existsSync(home[0]!)).toBe(false)
  })

  it.each(runtimes)(
    'of %s runs as root, with a warning, where others cannot reach it',
    async runtime => {
      await fixture.close()
      const lines: string[] = []
      fixture = await openFixture({
        directory: join(directory, 'functions'), // in a folder with mode 0700
        logger: createLogger(line => void lines.push(line)),
      })
      expect((await probe(runtime)).user[0]).toBe(0)
      await probe(runtime)
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatch(`${runtime} functions run as root`)
      expect(lines[0]).toContain(directory)
    },
  )
})
