import { type CloudOptions, openCloud, type RunningCloud } from '../../cloud/open-cloud.ts'
import { formatError, MokaError } from '../../shared/errors.ts'
import { createLogger, type Logger } from '../../shared/logger.ts'
import type { Reporter } from '../reporter.ts'
import { requireFreePorts } from '../taken-ports.ts'

export interface PortOptions {
  sitePort: number
  httpsPort: number
  controlPort: number
  dnsPort: number
  awsPort: number
  databasePort: number
}

/** The ports a command line asks for; 0 is a free one. */
export function portsOf(options: PortOptions): CloudOptions['ports'] {
  return {
    site: options.sitePort,
    https: options.httpsPort,
    control: options.controlPort,
    dns: options.dnsPort,
    aws: options.awsPort,
    database: options.databasePort,
  }
}

/** The program's own log: warnings on stderr, more with MOKA_LOG=info or debug. */
export function ownLogger(reporter: Pick<Reporter, 'passThrough'>): Logger {
  const level = process.env.MOKA_LOG
  return createLogger(
    line => reporter.passThrough(line),
    level === 'debug' || level === 'info' ? level : 'warn',
  )
}

/**
 * npm passes SIGTERM on to the shell between it and us, which ends without a word to us. So where
 * npm started us the end of our parent is taken for that signal.
 */
function endWithNpm(): void {
  const { npm_command } = process.env
  const parent = process.ppid
  if (npm_command === undefined) return
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    process.kill(process.pid, 'SIGTERM')
  }, PARENT_CHECK_MS)
  timer.unref()
}

/** How long the end of a build that was told to end is waited for. */
const WORK_END_MS = 1500
const PARENT_CHECK_MS = 250

const PORT_OPTIONS: Readonly<Record<string, string>> = {
  EDGE_PORT_TAKEN: '--site-port',
  CONTROL_PORT_TAKEN: '--control-port',
  DNS_PORT_TAKEN: '--dns-port',
  AWS_PORT_TAKEN: '--aws-port',
  DATABASE_PORT_TAKEN: '--database-port',
}

/** A port that was taken just now: the parts do not know the command line, so its option is named here. */
function withPortOption(error: unknown, { https }: CloudOptions['ports']): unknown {
  if (!(error instanceof MokaError)) return error
  const isHttps = error.code === 'EDGE_PORT_TAKEN' && error.message.includes(`:${https}"`)
  const option = isHttps ? '--https-port' : PORT_OPTIONS[error.code]
  if (option === undefined) return error
  const hint = `end what uses it, or choose another port with ${option}, or free ones for all with --ephemeral`
  return new MokaError(error.code, error.message, { hint, cause: error })
}

/**
 * Opens a cloud, runs `work` with it, and ends it at Ctrl-C, SIGTERM or a failure of `work`. SIGHUP to
 * a service puts new edge workers in place of the old.
 * Resolves when everything has ended.
 */
export async function runCloud(
  options: CloudOptions,
  work: (cloud: RunningCloud, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = new AbortController()
  const isService = options.mode === 'up' && !process.stdout.isTTY
  let reload = () => {}
  const asked = new Promise<void>(resolve => {
    const end = () => {
      abort.abort()
      resolve()
    }
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, end)
    // The terminal that was closed; to a service without one it says, as to any, to renew itself.
    process.on('SIGHUP', () => (isService ? reload() : end()))
  })
  if (options.mode === 'dev') endWithNpm()
  await requireFreePorts(options)
  const cloud = await openCloud(options).catch(error => {
    throw withPortOption(error, options.ports)
  })
  reload = () => {
    cloud.reload().catch(error => {
      options.logger.error('edge workers were not replaced', { reason: formatError(error) })
    })
  }
  const working = work(cloud, abort.signal)
  try {
    await Promise.race([asked, working.then(() => asked)])
  } finally {
    abort.abort()
    const ended = working.catch(() => {}) // it was told to end, or its failure is thrown above
    const patience = new Promise(resolve => setTimeout(resolve, WORK_END_MS).unref())
    await Promise.all([cloud.close(), Promise.race([ended, patience])])
  }
}
