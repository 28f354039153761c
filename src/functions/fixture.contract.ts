import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { strToU8, zipSync } from 'fflate'
import { systemClock } from '../shared/clock.ts'
import { silentLogger } from '../shared/logger.ts'
import { type Functions, type FunctionsOptions, openFunctions } from './functions.ts'
import type { FunctionLogEntry, FunctionVersion } from './version.ts'

/** A function part over a temporary folder, with its log in memory. */
export interface Fixture {
  functions: Functions
  entries: FunctionLogEntry[]
  /** Resolves when every environment has come to rest, its log written. */
  rested(): Promise<void>
  /** Log texts of one stream. */
  texts(stream: FunctionLogEntry['stream']): string[]
  /** A version from files by path, `node` unless told. */
  version(files: Record<string, string>, settings?: Partial<FunctionVersion>): FunctionVersion
  close(): Promise<void>
}

export async function openFixture(options: Partial<FunctionsOptions> = {}): Promise<Fixture> {
  const directory = await mkdtemp(join(tmpdir(), 'functions-'))
  const archives = new Map<string, Uint8Array>()
  const versions = new Map<string, FunctionVersion>()
  const entries: FunctionLogEntry[] = []
  const functions = await openFunctions({
    directory,
    readCode: async sha256 => archives.get(sha256)!,
    findFunction: (project, release, name) => versions.get(`${project}/${release}/${name}`),
    environmentOf: async () => ({}),
    logSink: { write: entry => void entries.push(entry) },
    clock: systemClock,
    logger: silentLogger,
    ...options,
  })
  return {
    functions,
    entries,
    async rested() {
      await eventually(() =>
        functions.stats().environments.every(({ state }) => state === 'idle' || state === 'ended'),
      )
    },
    texts: stream => entries.filter(entry => entry.stream === stream).map(entry => entry.text),
    version(files, settings = {}) {
      const zip = zipSync(
        Object.fromEntries(Object.entries(files).map(([path, text]) => [path, strToU8(text)])),
      )
      const codeSha256 = createHash('sha256').update(zip).digest('hex')
      archives.set(codeSha256, zip)
      const version: FunctionVersion = {
        project: 'site',
        name: 'visits',
        id: randomUUID(),
        runtime: 'node',
        handler: 'index.handler',
        codeSha256,
        timeoutMs: 20_000,
        memoryMb: 128,
        environment: {},
        ...settings,
      }
      versions.set(`${version.project}/r-1/${version.name}`, version)
      return version
    },
    async close() {
      await functions.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** `T` for stopped, `S` for sleeping …; undefined when there is no such process (Linux). */
export async function processState(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const state = stat.slice(stat.lastIndexOf(')') + 2)[0]
    return state === 'Z' || state === 'X' ? undefined : state
  } catch {
    return undefined
  }
}

/** Asks again and again, up to 30 s, until the answer is true. */
export async function eventually(isSo: () => boolean | Promise<boolean>): Promise<boolean> {
  const endMs = performance.now() + 30_000
  while (!(await isSo())) {
    if (performance.now() > endMs) return false
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  return true
}
