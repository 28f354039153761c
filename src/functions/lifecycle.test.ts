import { readFile } from 'node:fs/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { Timers } from './environments/timers.ts'
import { eventually, type Fixture, openFixture, processState } from './fixture.contract.ts'
import type { FunctionsOptions } from './functions.ts'
import { hasEnded } from './processes/process-group.ts'
import { hasPython } from './runtimes/python/interpreter.ts'
import type { RuntimeName } from './version.ts'

let fixture: Fixture

async function open(options?: Partial<FunctionsOptions>): Promise<Fixture> {
  fixture = await openFixture(options)
  return fixture
}

afterEach(() => fixture.close())

/** Real time for what is short, and a hand that lets the long delays pass. */
function manualTimers(longMs: number) {
  const pending = new Set<() => void>()
  const timers: Timers = {
    after(delayMs, run) {
      if (delayMs >= longMs) {
        pending.add(run)
        return () => pending.delete(run)
      }
      const timer = setTimeout(run, delayMs)
      return () => clearTimeout(timer)
    },
  }
  const pass = () => {
    for (const run of [...pending]) {
      pending.delete(run)
      run()
    }
  }
  return { timers, pass, pending }
}

interface Language {
  runtime: RuntimeName
  echo: Record<string, string>
  sleep: Record<string, string>
  hang: Record<string, string>
  kill: Record<string, string>
  hog: Record<string, string>
  /** Starts `sleep` twice, once in a session of its own, and answers with both ids. */
  children: Record<string, string>
}

const NODE: Language = {
  runtime: 'node',
  echo: { 'index.mjs': 'export const handler = async e => e' },
  sleep: {
    'index.mjs': 'export const handler = e => new Promise(r => setTimeout(r, e.ms, process.pid))',
  },
  hang: { 'index.mjs': "export const handler = async () => { console.log('before'); for (;;); }" },
  kill: {
    'index.mjs':
      "export const handler = async e => e.kill ? process.kill(process.pid, 'SIGSEGV') : 'alive'",
  },
  hog: {
    'index.mjs': `export const handler = async e => {
      const kept = []
      for (let mb = 0; mb < e.mb; mb++) kept.push(Buffer.alloc(1 << 20, 1))
      return kept.length
    }`,
  },
  children: {
    'index.mjs': `import { spawn } from 'node:child_process'
      export const handler = async e => {
        const own = spawn('sleep', ['1000'], { stdio: 'ignore' })
        const away = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true })
        const pids = [process.pid, own.pid, away.pid]
        if (e.hang) { console.log(JSON.stringify(pids)); for (;;); }
        own.unref(); away.unref()
        return pids
      }`,
  },
}

const PYTHON: Language = {
  runtime: 'python',
  echo: { 'index.py': 'def handler(event, context):\n    return event\n' },
  sleep: {
    'index.py':
      'import os, time\ndef handler(event, context):\n    time.sleep(event["ms"] / 1000)\n    return os.getpid()\n',
  },
  hang: { 'index.py': 'def handler(event, context):\n    print("before")\n    while True: pass\n' },
  kill: {
    'index.py':
      'import os, signal\ndef handler(event, context):\n    if event.get("kill"): os.kill(os.getpid(), signal.SIGSEGV)\n    return "alive"\n',
  },
  hog: {
    'index.py':
      'def handler(event, context):\n    return len([b"x" * (1 << 20) for _ in range(event["mb"])])\n',
  },
  children: {
    'index.py': `import json, os, subprocess
def handler(event, context):
    own = subprocess.Popen(["sleep", "1000"])
    away = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    pids = [os.getpid(), own.pid, away.pid]
    if event.get("hang"):
        print(json.dumps(pids))
        while True: pass
    return pids
`,
  },
}

/** A stop reaches a process when it next gets the CPU. */
const isStopped = (pid: number) => eventually(async () => (await processState(pid)) === 'T')

/** The limit is set in the background, which takes the kernel some milliseconds. */
async function isLimited(pid: number): Promise<boolean> {
  const [group, limits] = await Promise.all(
    ['cgroup', 'limits'].map(name => readFile(`/proc/${pid}/${name}`, 'latin1')),
  )
  return /mokapot-/.test(group!) || /^Max data size +\d/m.test(limits!)
}

const allGone = (pids: readonly number[]) =>
  eventually(async () => {
    const states = await Promise.all(pids.map(processState))
    return states.every(state => state === undefined)
  })

const LANGUAGES = hasPython() ? [NODE, PYTHON] : [NODE]

describe.each(LANGUAGES)('an execution environment of $runtime', language => {
  const { runtime } = language
  const isLinux = process.platform === 'linux'

  it('does not exist before the first invocation, nor does anything else', async () => {
    const { functions, version } = await open()
    version(language.echo, { runtime })
    expect(functions.stats()).toMatchObject({ environments: [], readyPids: [] })
  })

  it('is used again, one invocation after the other', async () => {
    const { functions, version, rested } = await open()
    const own = version(language.echo, { runtime })
    const outcomes = []
    for (let call = 0; call < 10; call++) {
      outcomes.push(await functions.invoke(own, { call }))
      await rested() // a call that comes before is not kept waiting for long: it has another
    }
    expect(outcomes.map(outcome => 'initMs' in outcome)).toEqual([true, ...Array(9).fill(false)])
    expect(outcomes.at(-1)).toMatchObject({ payload: { call: 9 } })
    expect(functions.stats()).toMatchObject({ coldStarts: 1, invocations: 10 })
  })

  it.runIf(isLinux)('is stopped between invocations and runs again for the next', async () => {
    const { functions, version, rested } = await open()
    const own = version(language.sleep, { runtime })
    const pid = (await functions.invoke(own, { ms: 0 })) as unknown as { payload: number }
    await rested()
    expect(await isStopped(pid.payload)).toBe(true)
    expect(await functions.invoke(own, { ms: 0 })).toMatchObject({ payload: pid.payload })
    await rested()
    expect(await isStopped(pid.payload)).toBe(true)
  })

  it('is killed at the time-out, with Lambda’s words, and the next call gets another', async () => {
    const { functions, version, rested, texts } = await open()
    const own = version(language.hang, { runtime, timeoutMs: 1250 })
    const outcome = await functions.invoke(own, {}, { requestId: 'r-1' })
    expect(outcome).toMatchObject({
      kind: 'timeout',
      error: { errorMessage: expect.stringMatching(/Z r-1 Task timed out after 1\.25 seconds$/) },
    })
    await eventually(() => functions.stats().environments.length === 0)
    await rested()
    expect(texts('stdout')).toEqual(['before'])
    expect(texts('stderr')).toEqual([
      expect.stringMatching(/r-1 Task timed out after 1\.25 seconds$/),
    ])
    expect(texts('platform').at(-1)).toMatch(/^REPORT RequestId: r-1\t.*Status: timeout/)
    const echo = version(language.echo, { runtime })
    expect(await functions.invoke(echo, 1)).toMatchObject({ kind: 'success' })
  })

  it('has no longer than its caller waits', async () => {
    const { functions, version } = await open()
    const own = version(language.sleep, { runtime, timeoutMs: 60_000 })
    const outcome = await functions.invoke(own, { ms: 50_000 }, { deadline: Date.now() + 300 })
    expect(outcome.kind).toBe('timeout')
  })

  it('that crashes is an outcome, and the next call gets another', async () => {
    const { functions, version } = await open()
    const own = version(language.kill, { runtime })
    expect(await functions.invoke(own, { kill: true })).toMatchObject({
      kind: 'crashed',
      error: {
        errorType: 'Runtime.ExitError',
        errorMessage: expect.stringMatching(/signal: segmentation fault$/),
      },
    })
    expect(await functions.invoke(own, {})).toMatchObject({ kind: 'success', payload: 'alive' })
  })

  it.runIf(isLinux).each(['alone', 'with what is kept ready'])(
    'that was killed while idle, %s, gets no event, even before that is noticed',
    async what => {
      const { functions, version, rested } = await open()
      const own = version(language.echo, { runtime })
      await functions.invoke(own, 1)
      await rested()
      expect(await eventually(() => functions.stats().readyPids.length === 1)).toBe(true)
      const { environments, readyPids } = functions.stats()
      const pids = environments.map(each => each.pid!)
      if (what !== 'alone') pids.push(...readyPids)
      for (const pid of pids) process.kill(pid, 'SIGKILL')
      while (!pids.every(hasEnded)); // and nobody here hears of it meanwhile
      expect(await functions.invoke(own, 2)).toMatchObject({ kind: 'success', payload: 2 })
    },
  )

  it.runIf(isLinux)('cannot have more memory than it was given', async () => {
    const { functions, version, rested } = await open()
    const own = version(language.hog, { runtime, memoryMb: 128, timeoutMs: 30_000 })
    expect(await functions.invoke(own, { mb: 20 })).toMatchObject({ payload: 20 })
    await rested()
    const { memoryLimit, environments } = functions.stats()
    if (memoryLimit !== 'none') {
      expect(await eventually(() => isLimited(environments[0]!.pid!))).toBe(true)
    }
    const outcome = await functions.invoke(own, { mb: 1000 })
    expect(['crashed', 'error']).toContain(outcome.kind)
    if (functions.stats().memoryLimit === 'cgroup') {
      expect(outcome).toMatchObject({
        kind: 'crashed',
        error: { errorType: 'Runtime.OutOfMemory' },
      })
    }
    expect(await functions.invoke(own, { mb: 1 })).toMatchObject({ payload: 1 })
  })

  it.runIf(isLinux)(
    'takes the processes that its function started along at the time-out',
    async () => {
      const { functions, version, texts } = await open()
      const own = version(language.children, { runtime, timeoutMs: 3000 })
      expect((await functions.invoke(own, { hang: true })).kind).toBe('timeout')
      await eventually(() => texts('stdout').length > 0)
      const [pid, child, away] = JSON.parse(texts('stdout')[0]!) as [number, number, number]
      // One that has left for a session of its own is found by its memory group alone.
      const expected =
        functions.stats().memoryLimit === 'cgroup' ? [pid, child, away] : [pid, child]
      expect(await allGone(expected)).toBe(true)
      if (expected.length === 2) process.kill(away)
    },
  )

  it('is ended when nobody needed it for a while, and then what is kept ready', async () => {
    const { timers, pass, pending } = manualTimers(10_000)
    const { functions, version, rested } = await open({ timers, idleMs: 60_000 })
    await functions.invoke(version(language.echo, { runtime }), 1)
    await rested()
    expect(await eventually(() => functions.stats().readyPids.length === 1)).toBe(true)
    const { environments, readyPids } = functions.stats()
    pass()
    expect(await allGone(environments.map(each => each.pid!))).toBe(true)
    expect(functions.stats().environments).toEqual([])
    expect(await processState(readyPids[0]!)).toBeDefined()
    await eventually(() => pending.size > 0)
    pass()
    expect(await allGone(readyPids)).toBe(true)
    expect(await functions.invoke(version(language.echo, { runtime }), 2)).toMatchObject({
      payload: 2,
    })
  })

  it('runs one invocation at a time, however many come', async () => {
    const count = runtime === 'python' ? 50 : 12
    const { functions, version } = await open({ maxEnvironments: 50 })
    const own = version(language.sleep, { runtime, timeoutMs: 20_000 })
    const outcomes = await Promise.all(
      Array.from({ length: count }, () => functions.invoke(own, { ms: 1000 })),
    )
    expect(outcomes.map(outcome => outcome.kind)).toEqual(Array(count).fill('success'))
    const pids = outcomes.map(outcome => outcome.kind === 'success' && outcome.payload)
    expect(functions.stats().environments).toHaveLength(new Set(pids).size)
    for (const environment of functions.stats().environments) {
      expect(environment.invocations).toBeLessThanOrEqual(count - new Set(pids).size + 1)
    }
  })

  it('leaves no process behind when the part is closed, and waits for nobody', async () => {
    const { functions, version } = await open()
    const hang = functions.invoke(version(language.hang, { runtime, timeoutMs: 60_000 }), {})
    const { payload } = (await functions.invoke(
      version(language.children, { runtime }),
      {},
    )) as unknown as {
      payload: number[]
    }
    await eventually(() => functions.stats().environments.some(({ state }) => state === 'busy'))
    const { environments, readyPids } = functions.stats()
    const begin = performance.now()
    await functions.close()
    expect(performance.now() - begin).toBeLessThan(20_000)
    expect(await hang).toMatchObject({ kind: 'crashed' })
    const pids = [...environments.map(each => each.pid!), ...readyPids]
    if (functions.stats().memoryLimit === 'cgroup') pids.push(...payload)
    expect(await allGone(pids)).toBe(true)
    await expect(functions.invoke(version(language.echo, { runtime }), 1)).rejects.toMatchObject({
      code: 'FUNCTIONS_CLOSED',
    })
  })
})

describe('limits', () => {
  it('reservedConcurrency counts all versions of a function', async () => {
    const { functions, version } = await open()
    const settings = { reservedConcurrency: 2 }
    const [one, two] = [version(NODE.sleep, settings), version(NODE.sleep, settings)]
    const running = [functions.invoke(one, { ms: 400 }), functions.invoke(two, { ms: 400 })]
    expect(await functions.invoke(one, { ms: 0 }, { requestId: 'r-3' })).toEqual({
      kind: 'throttled',
      requestId: 'r-3',
      reason: 'ReservedFunctionConcurrentInvocationLimitExceeded',
      limit: 2,
      retryAfterSeconds: 1,
    })
    const other = version(NODE.echo, { ...settings, name: 'other' })
    expect(await functions.invoke(other, 1)).toMatchObject({ kind: 'success' })
    await Promise.all(running)
    expect(await functions.invoke(one, { ms: 0 })).toMatchObject({ kind: 'success' })
  })

  it('reservedConcurrency 0 stops a function, and starts nothing', async () => {
    const { functions, version } = await open()
    const outcome = await functions.invoke(version(NODE.echo, { reservedConcurrency: 0 }), 1)
    expect(outcome).toMatchObject({ kind: 'throttled', limit: 0 })
    expect(functions.stats()).toMatchObject({ readyPids: [], environments: [], throttled: 1 })
  })

  it('maxEnvironments throttles when all are busy and makes room when one is idle', async () => {
    const { functions, version, rested } = await open({ maxEnvironments: 1 })
    const slow = version(NODE.sleep)
    const running = functions.invoke(slow, { ms: 300 })
    expect(await functions.invoke(version(NODE.echo), 1)).toMatchObject({
      kind: 'throttled',
      reason: 'ConcurrentInvocationLimitExceeded',
      limit: 1,
    })
    await running
    await rested()
    expect(await functions.invoke(version(NODE.echo), 1)).toMatchObject({ kind: 'success' })
    expect(functions.stats().environments).toHaveLength(1)
  })

  it('an event over 6 MB is refused', async () => {
    const { functions, version } = await open()
    const invoked = functions.invoke(version(NODE.echo), 'x'.repeat(6 * 1024 * 1024 + 200))
    await expect(invoked).rejects.toMatchObject({ code: 'FUNCTIONS_EVENT_TOO_LARGE' })
  })
})

describe('functions', () => {
  it('get what environmentOf adds, and keep their own where both name it', async () => {
    const { functions, version } = await open({
      environmentOf: async () => ({ DATABASE_URL: 'postgres://cloud', AWS_REGION: 'eu-west-1' }),
    })
    const files = {
      'index.mjs':
        'export const handler = async () => [process.env.DATABASE_URL, process.env.AWS_REGION]',
    }
    expect(await functions.invoke(version(files), 1)).toMatchObject({
      payload: ['postgres://cloud', 'eu-west-1'],
    })
    const environment = { DATABASE_URL: 'postgres://mine' }
    expect(await functions.invoke(version(files, { environment }), 1)).toMatchObject({
      payload: ['postgres://mine', 'eu-west-1'],
    })
  })

  it('pass on why the cloud cannot give them what they need, and can be called again', async () => {
    let isDown = true
    const { functions, version } = await open({
      environmentOf: async () => {
        if (isDown) throw new Error('the database is down')
        return {}
      },
    })
    const own = version(NODE.echo)
    await expect(functions.invoke(own, 1)).rejects.toThrow('the database is down')
    isDown = false
    expect(await functions.invoke(own, 1)).toMatchObject({ payload: 1 })
    expect(functions.stats().environments).toHaveLength(1)
  })

  it('of a version that is not kept are ended, with its code', async () => {
    const { functions, version, rested } = await open()
    const [old, current] = [version(NODE.echo), version({ ...NODE.echo, 'new.txt': '' })]
    await functions.invoke(old, 1)
    await functions.invoke(current, 1)
    await rested()
    functions.retire(id => id === current.id)
    expect(functions.stats().environments.map(each => each.versionId)).toEqual([current.id])
    expect(await functions.invoke(old, 2)).toMatchObject({ payload: 2 }) // unpacked once more
  })

  it('name the function and what to try where there is no Python', async () => {
    const { functions, version } = await open({ findPython: () => undefined })
    const own = version({ 'index.py': '' }, { runtime: 'python' })
    await expect(functions.invoke(own, 1)).rejects.toMatchObject({
      code: 'FUNCTIONS_PYTHON_MISSING',
      message: expect.stringContaining('"visits"'),
      hint: expect.stringContaining('python.org'),
    })
  })
})
