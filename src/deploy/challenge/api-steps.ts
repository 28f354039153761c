import type { Project } from '../../config/project.ts'
import type { ApiCall, Page } from './page.ts'
import type { Answer, Place } from './place.ts'
import { done, missing, type Outcome, reasonOf, shorten, tellRequest, unknown } from './step.ts'

/** What the API answered, twice, the second time after the first. */
export interface ApiAnswers {
  call: ApiCall
  method: 'GET' | 'POST'
  first: Answer
  second?: Answer
}

/** Why nothing was asked, or what the answers were. */
export type ApiEvidence =
  | { kind: 'none' }
  | { kind: 'silent'; why: string }
  | ({ kind: 'answered' } & ApiAnswers)

/** Asks the API as the page's script does, twice: each may count as a visit. */
export async function askApi(place: Place, page: Page | undefined): Promise<ApiEvidence> {
  const call = page?.calls[0] ?? firstRoute(place)
  if (call === undefined) return { kind: 'none' }
  try {
    let method = call.method ?? 'GET'
    let first = await place.ask(call.path, method)
    if (call.method === undefined && [404, 405].includes(first.status)) {
      method = 'POST'
      first = await place.ask(call.path, method)
    }
    if (!isSuccess(first)) return { kind: 'answered', call, method, first }
    return { kind: 'answered', call, method, first, second: await place.ask(call.path, method) }
  } catch (error) {
    return { kind: 'silent', why: `${call.path}: ${reasonOf(error)}` }
  }
}

function firstRoute({ functions }: Place): ApiCall | undefined {
  for (const [name, { routes }] of Object.entries(functions)) {
    const path = routes.find(route => !route.endsWith('*'))
    if (path !== undefined) return { path, function: name, from: 'moka.config.ts' }
  }
  return undefined
}

const NO_FUNCTION = 'the project has no function with a path that can be asked'
const ADD_FUNCTION =
  "functions: { visits: { entry: 'functions/visits.py', routes: ['/api/visits'] } } in moka.config.ts"

/** Step 9: the page asks an API, and not the database. */
export function api(evidence: ApiEvidence, place: Place): Outcome {
  if (evidence.kind === 'none') return missing(NO_FUNCTION, ADD_FUNCTION)
  if (evidence.kind === 'silent') return unknown(evidence.why, 'ask again when the site answers')
  const { method, call, first } = evidence
  const told = tellRequest(method, call.path, first, shorten(first.body))
  if (isSuccess(first)) return done(`${told}, by function "${call.function}"`)
  if (first.status === 429) {
    const wait = String(first.headers['retry-after'] ?? '60')
    return unknown(told, `the function's rateLimit is reached: again in ${wait} seconds`)
  }
  return missing(told, `${logsOf(call.function, place)} says why`)
}

/** Step 8: the count is kept in a database. */
export function database(evidence: ApiEvidence, project: Project, place: Place): Outcome {
  if (project.database.kind === 'none') {
    return missing(
      'the project has no database',
      'a folder migrations with the first .sql file makes one',
    )
  }
  const name = keeperOf(project, place)
  const count = 'let the function count each request in the database and answer the number'
  if (evidence.kind === 'none') {
    return unknown(`there is ${name}, and no function that answers with a count`, count)
  }
  if (evidence.kind === 'silent') return unknown(evidence.why, 'ask again when the site answers')
  const { method, call, first, second } = evidence
  const [before, after] = [numberIn(first), second && numberIn(second)]
  if (before === undefined || after === undefined) {
    return unknown(
      `${tellRequest(method, call.path, second ?? first)}, with no number in it`,
      isSuccess(second ?? first) ? count : logsOf(call.function, place),
    )
  }
  if (after > before) {
    return done(`${method} ${call.path} twice: ${before}, then ${after}, kept in ${name}`)
  }
  return unknown(`${method} ${call.path} twice: ${before}, then ${after}`, count)
}

/** What counts are kept in, for people. */
function keeperOf({ database, aws }: Project, { kind }: Place): string {
  const keeper = kind === 'aws' ? aws.database : database.kind
  if (keeper === 'rds') return 'PostgreSQL on RDS'
  if (keeper === 'dsql') return 'Aurora DSQL'
  return keeper === 'embedded' ? 'PostgreSQL' : 'the PostgreSQL at database.url'
}

/** Step 10: the function is Python. */
export function python(evidence: ApiEvidence, place: Place, project: Project): Outcome {
  const names = Object.keys(place.functions)
  const isPython = (name: string) => place.functions[name]?.runtime === 'python'
  const entryOf = (name: string) =>
    project.functions.find(one => one.name === name)?.entry.slice(project.root.length + 1) ?? name
  const [found] = names.filter(isPython)
  if (found === undefined) {
    const others = names.map(name => `"${name}"`).join(', ')
    return missing(
      names.length === 0 ? NO_FUNCTION : `no function is Python: ${others}`,
      "write the function in Python: entry: 'functions/visits.py'",
    )
  }
  if (evidence.kind !== 'answered' || !isSuccess(evidence.first)) {
    return unknown(`${entryOf(found)} is Python, and did not answer`, logsOf(found, place))
  }
  const { call, method, first } = evidence
  if (isPython(call.function)) {
    return done(`${entryOf(call.function)} answers ${tellRequest(method, call.path, first)}`)
  }
  return done(`${entryOf(found)} is Python; ${call.path} is answered by another function`)
}

function logsOf(name: string, { kind }: Place): string {
  return kind === 'aws' ? `\`moka logs ${name} --to aws\`` : `\`moka logs ${name}\``
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300
}

/** The first number in an answer: the whole of it, or somewhere in its JSON. */
function numberIn(answer: Answer): number | undefined {
  if (!isSuccess(answer)) return undefined
  try {
    return findNumber(JSON.parse(answer.body), 0)
  } catch {
    const text = /\d+/.exec(answer.body)?.[0]
    return text === undefined ? undefined : Number(text)
  }
}

function findNumber(value: unknown, depth: number): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value === 'string' && /^\d+$/.test(value)) return Number(value)
  if (typeof value !== 'object' || value === null || depth > 5) return undefined
  for (const part of Object.values(value)) {
    const found = findNumber(part, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}
