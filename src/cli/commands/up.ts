import { availableParallelism } from 'node:os'
import { publicAddresses } from '../../cloud/zones.ts'
import { homeDirectory } from '../home-directory.ts'
import { ownVersion } from '../program.ts'
import { createReporter } from '../reporter.ts'
import { ownLogger, type PortOptions, portsOf, runCloud } from './run-cloud.ts'

interface UpOptions extends PortOptions {
  host: string
  address?: string[]
  trustProxy?: string[]
  json?: boolean
}

/** `moka up`: a cloud for any number of projects, empty until one is deployed to it. */
export async function up(options: UpOptions): Promise<void> {
  const reporter = createReporter(options.json === true)
  await runCloud(
    {
      mode: 'up',
      directory: homeDirectory(),
      ports: portsOf(options),
      host: options.host,
      addresses: options.address ?? publicAddresses(),
      workers: availableParallelism(),
      trustedProxies: options.trustProxy ?? [],
      version: ownVersion(),
      logger: ownLogger(),
    },
    async cloud => {
      const { projects } = await cloud.api.status()
      reporter.result(
        cloud.addresses,
        [
          '',
          ...Object.entries(cloud.addresses).map(([name, at]) => `  ${name.padEnd(9)} ${at}`),
          `  ${'projects'.padEnd(9)} ${projects.length === 0 ? 'none yet; `moka deploy` brings one' : projects.join(', ')}`,
          `  ${'data'.padEnd(9)} ${homeDirectory()}`,
          '',
        ].join('\n'),
      )
    },
  )
}
