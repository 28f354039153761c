import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline/promises'
import { text as readAll } from 'node:stream/consumers'
import { formatResults } from '../../../deploy/database/format-results.ts'
import { isWhole, openSqlSession, type SqlSession } from '../../../deploy/database/sql-session.ts'
import { systemClock } from '../../../shared/clock.ts'
import { formatError, MokaError } from '../../../shared/errors.ts'
import { findOnPath } from '../../../shared/tied-process.ts'
import { findCloud, findProjectName } from '../../find-cloud.ts'
import { projectOf, type TargetOptions } from '../../find-target.ts'
import { createReporter, type Reporter } from '../../reporter.ts'

export interface ShellOptions extends TargetOptions {
  command?: string
}

/**
 * `moka db shell`: psql where there is one, else lines that are read here. With `-c`, or with SQL on
 * standard input, what is given is run, and its results are printed.
 */
export async function databaseShell(options: ShellOptions): Promise<void> {
  const reporter = createReporter(options.json === true)
  const isTyped = options.command === undefined && process.stdin.isTTY === true
  if (options.to === 'aws') {
    const project = await projectOf(options)
    if (project.aws.database !== 'url') {
      const session = await openOnAws(options)
      if (isTyped) {
        reporter.note('each line that ends with ";" runs by itself: no BEGIN, no SET. \\q ends')
      }
      return run(session, options, isTyped, reporter)
    }
  }
  const url = await databaseUrl(options)
  const psql = isTyped && !reporter.isJson ? findOnPath('psql') : undefined
  if (psql !== undefined) return runPsql(psql, url)
  const session = await openSqlSession(url)
  if (isTyped) reporter.note('SQL, each statement ended with ";". \\q ends')
  await run(session, options, isTyped, reporter)
}

async function openOnAws(options: TargetOptions): Promise<SqlSession> {
  const { openAwsOperations } = await import(
    '../../../deploy/targets/aws/operations/open-operations.ts'
  )
  const { database } = openAwsOperations(await projectOf(options), systemClock)
  return { run: text => database.query(text), close: async () => {} }
}

async function databaseUrl(options: TargetOptions): Promise<string> {
  if (options.to === 'aws') {
    const { database } = await projectOf(options)
    if (database.kind === 'external') return database.url
  }
  const cloud = await findCloud(options)
  try {
    const project = await findProjectName(options)
    const { DATABASE_URL } = await cloud.api.environment(project)
    if (DATABASE_URL !== undefined) return DATABASE_URL
    throw new MokaError('DATABASE_NONE', `project "${project}" has no database there`, {
      hint: 'a folder migrations/ or `database: true` in moka.config.ts makes one',
    })
  } finally {
    cloud.close()
  }
}

/** The password goes by the environment: arguments are for every user to see. */
async function runPsql(psql: string, text: string): Promise<void> {
  const url = new URL(text)
  const PGPASSWORD = decodeURIComponent(url.password)
  url.password = ''
  // psql ends a query at Ctrl-C, and we are not to end with it.
  const ignore = () => {}
  process.on('SIGINT', ignore)
  const child = spawn(psql, [url.href], {
    stdio: 'inherit',
    env: { ...process.env, ...(PGPASSWORD === '' ? {} : { PGPASSWORD }) },
  })
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject).once('exit', code => resolve(code ?? 1))
  })
  process.off('SIGINT', ignore)
}

async function run(
  session: SqlSession,
  { command }: ShellOptions,
  isTyped: boolean,
  reporter: Reporter,
): Promise<void> {
  try {
    if (isTyped) return await readLines(session, reporter)
    const results = await session.run(command ?? (await readAll(process.stdin)))
    reporter.result(results, formatResults(results))
  } finally {
    await session.close()
  }
}

async function readLines(session: SqlSession, reporter: Reporter): Promise<void> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, prompt: '=> ' })
  let typed = ''
  lines.prompt()
  for await (const line of lines) {
    if (typed === '' && /^\s*(?:\\q|exit|quit)\s*;?\s*$/.test(line)) break
    typed += `${line}\n`
    if (isWhole(typed)) {
      await session.run(typed).then(
        results => reporter.result(results, formatResults(results)),
        (error: Error) => reporter.note(formatError(error)),
      )
      typed = ''
    }
    lines.setPrompt(typed.trim() === '' ? '=> ' : '-> ')
    lines.prompt()
  }
  lines.close()
}
