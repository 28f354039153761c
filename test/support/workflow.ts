import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Runs the steps of a GitHub workflow, or of a composite action, as a runner does, with bash.

// Eleventy, which tests build with, brings a reader of YAML.
const require = createRequire(import.meta.url)
const { load } = createRequire(require.resolve('@11ty/eleventy'))('js-yaml') as {
  load(text: string): unknown
}

interface Step {
  id?: string
  if?: string
  uses?: string
  run?: string
  env?: Record<string, unknown>
  'working-directory'?: string
}

export interface Workflow {
  on: Record<string, { branches?: string[] } | null>
  permissions: Record<string, string>
  jobs: Record<string, { if?: string; env?: Record<string, unknown>; steps: Step[] }>
}

export interface CompositeAction {
  inputs: Record<string, { default?: string; required?: boolean }>
  outputs: Record<string, { value: string }>
  runs: { using: string; steps: Step[] }
}

export async function readYaml<T>(path: string): Promise<T> {
  return load(await readFile(path, 'utf8')) as T
}

/** `github`, `vars`, `secrets`, `inputs`: what expressions may name. */
export type Contexts = Record<string, Record<string, unknown>>

export interface RunResult {
  code: number
  log: string
  summary: string
  /** Of steps with an id. */
  outputs: Record<string, Record<string, string>>
  used: string[]
}

/** Runs steps one after the other until one fails. Steps of other actions are noted, not run. */
export async function runSteps(
  steps: readonly Step[],
  options: {
    cwd: string
    contexts: Contexts
    event: unknown
    /** Of the job. */
    env?: Record<string, unknown>
    /** Of the runner. */
    variables: Record<string, string>
  },
): Promise<RunResult> {
  const folder = await mkdtemp(join(tmpdir(), 'moka-runner-'))
  const { contexts, cwd } = options
  const result: RunResult = { code: 0, log: '', summary: '', outputs: {}, used: [] }
  try {
    await writeFile(join(folder, 'event.json'), JSON.stringify(options.event))
    for (const [index, step] of steps.entries()) {
      if (step.if !== undefined && evaluate(step.if, contexts) !== true) continue
      if (step.uses !== undefined) result.used.push(step.uses)
      if (step.run === undefined) continue
      const file = (name: string) => join(folder, `${name}-${index}`)
      for (const name of ['output', 'summary']) await writeFile(file(name), '')
      await writeFile(file('script'), expand(step.run, contexts))
      const env: Record<string, string> = {
        ...options.variables,
        GITHUB_ACTIONS: 'true',
        CI: 'true',
        GITHUB_EVENT_PATH: join(folder, 'event.json'),
        GITHUB_OUTPUT: file('output'),
        GITHUB_STEP_SUMMARY: file('summary'),
      }
      for (const [name, value] of Object.entries({ ...options.env, ...step.env })) {
        env[name] = expand(String(value), contexts)
      }
      const where = join(cwd, expand(step['working-directory'] ?? '.', contexts))
      const { code, log } = await bash(file('script'), where, env)
      result.code = code
      result.log += log
      result.summary += await readFile(file('summary'), 'utf8')
      if (step.id !== undefined) {
        const lines = (await readFile(file('output'), 'utf8')).split('\n').filter(Boolean)
        result.outputs[step.id] = Object.fromEntries(
          lines.map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
        )
      }
      if (code !== 0) break
    }
    return result
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** As runners call it where a step has no shell of its own. */
function bash(
  script: string,
  cwd: string,
  env: Record<string, string>,
): Promise<{ code: number; log: string }> {
  return new Promise(resolve => {
    const child = spawn('bash', ['--noprofile', '--norc', '-eo', 'pipefail', script], { cwd, env })
    let log = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', chunk => {
        log += chunk
      })
    }
    child.once('close', code => resolve({ code: code ?? -1, log }))
  })
}

/** Replaces each `${{ … }}`. */
export function expand(text: string, contexts: Contexts): string {
  return text.replace(/\$\{\{(.*?)\}\}/g, (_, expression: string) => {
    const value = evaluate(expression, contexts)
    return value === undefined || value === null ? '' : String(value)
  })
}

/** The part of GitHub's expressions that ours use, which is JavaScript but for names with a dash. */
export function evaluate(expression: string, contexts: Contexts): unknown {
  const names = new Map<string, unknown>()
  const source = expression.replace(/'[^']*'|\b[a-z]+(?:\.[\w-]+)+/g, part => {
    if (part.startsWith("'")) return part
    const name = `value${names.size}`
    names.set(name, lookUp(part, contexts))
    return name
  })
  const format = (text: string, ...values: unknown[]) =>
    text.replace(/\{(\d+)\}/g, (_, index: string) => String(values[Number(index)]))
  return new Function('format', ...names.keys(), `return (${source})`)(format, ...names.values())
}

function lookUp(path: string, contexts: Contexts): unknown {
  let value: unknown = contexts
  for (const name of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[name]
  return value
}
