import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { HttpsSource } from '../../cloud/https/https.ts'
import { findBun } from '../../cloud/workers/find-bun.ts'
import { publicAddresses } from '../../cloud/zones.ts'
import { MokaError } from '../../shared/errors.ts'
import { ownVersion } from '../../shared/own-version.ts'
import { homeDirectory } from '../home-directory.ts'
import { createReporter } from '../reporter.ts'
import { ownLogger, type PortOptions, portsOf, runCloud } from './run-cloud.ts'

interface UpOptions extends PortOptions {
  host: string
  address?: string[]
  trustProxy?: string[]
  acmeEmail?: string
  acmeDirectory?: string
  certificate?: string[]
  accessLog: 'json' | 'w3c' | 'off'
  edgeRuntime: 'node' | 'bun'
  json?: boolean
}

/** `moka up`: a cloud for any number of projects, empty until one is deployed to it. */
export async function up(options: UpOptions): Promise<void> {
  const reporter = createReporter(options.json === true)
  requireSensible(options)
  const https = httpsOf(options)
  await runCloud(
    {
      mode: 'up',
      ...(https && { https }),
      directory: homeDirectory(),
      ports: portsOf(options),
      host: options.host,
      addresses: options.address ?? answeredAddresses(options.host),
      workers: availableParallelism(),
      ...(options.edgeRuntime === 'bun' && {
        edgeRuntime: { kind: 'bun', path: await findBun(process.env) },
      }),
      trustedProxies: options.trustProxy ?? [],
      accessLog: options.accessLog,
      version: ownVersion(),
      logger: ownLogger(reporter),
    },
    async cloud => {
      const { projects } = await cloud.api.status()
      reporter.result(
        cloud.addresses,
        [
          '',
          ...Object.entries(cloud.addresses).map(([name, at]) => `  ${name.padEnd(9)} ${at}`),
          `  ${'git'.padEnd(9)} ${cloud.addresses.control}/git/<project>.git; \`moka remote\` in a project adds it`,
          `  ${'projects'.padEnd(9)} ${projects.length === 0 ? 'none yet; `moka deploy` brings one' : projects.join(', ')}`,
          `  ${'data'.padEnd(9)} ${homeDirectory()}`,
          '',
        ].join('\n'),
      )
    },
  )
}

/** What DNS answers: where we listen; where that is everywhere, the machine's own addresses. */
export function answeredAddresses(host: string): string[] {
  const isEverywhere = ['0.0.0.0', '::'].includes(host) || isIP(host) === 0
  return isEverywhere ? publicAddresses() : [host]
}

/** What would fail later, or do nothing. Throws `CLI_OPTION_INVALID`. */
export function requireSensible({ address, acmeEmail, acmeDirectory }: Partial<UpOptions>): void {
  const fail = (problem: string, hint: string) => {
    throw new MokaError('CLI_OPTION_INVALID', problem, { hint })
  }
  const wrong = address?.find(each => isIP(each) === 0)
  if (wrong !== undefined) {
    fail(`cannot use --address "${wrong}": it is no IP address`, 'such as 203.0.113.7')
  }
  if (acmeEmail !== undefined && !/^[^@\s]+@[^@\s]+$/.test(acmeEmail)) {
    fail(`cannot use --acme-email "${acmeEmail}": it is no e-mail address`, 'you@example.org')
  }
  if (acmeDirectory !== undefined && acmeEmail === undefined) {
    fail(
      'cannot use --acme-directory alone: certificates are asked for in the name of an address',
      'add --acme-email you@example.org',
    )
  }
  if (acmeDirectory !== undefined && !URL.canParse(acmeDirectory)) {
    fail(
      `cannot use --acme-directory "${acmeDirectory}": it is no address`,
      'https://acme-staging-v02.api.letsencrypt.org/directory',
    )
  }
}

/** HTTPS is there when there is a way to get a certificate. */
function httpsOf({ acmeEmail, acmeDirectory, certificate }: UpOptions): HttpsSource | undefined {
  const files = (certificate ?? []).map(pair => {
    const [certificatePath = '', keyPath = certificatePath] = pair.split(',')
    return { certificatePath, keyPath }
  })
  if (files.length === 0 && acmeEmail === undefined) return undefined
  const acme = acmeEmail !== undefined && {
    email: acmeEmail,
    directory: join(homeDirectory(), 'acme'),
    ...(acmeDirectory !== undefined && { directoryUrl: acmeDirectory }),
  }
  return { kind: 'public', files, ...(acme && { acme }) }
}
