import { type AwsKey, createAwsDoors } from '../../aws/dispatch.ts'
import { createCloudFrontDoor } from '../../edge/cloudfront/door.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/logger.ts'
import { type AwsServer, openAwsServer } from './aws-server.ts'
import { type DistributionParts, Distributions } from './distributions.ts'

/** All of AWS's APIs that this cloud has, behind one address. Throws `AWS_PORT_TAKEN`. */
export async function openAwsDoors(options: {
  host: string
  port: number
  key: AwsKey
  distributions: Omit<DistributionParts, 'clock'>
  clock: Clock
  logger: Logger
}): Promise<AwsServer & { key: AwsKey }> {
  const { host, port, key, clock, logger } = options
  const now = () => clock.now()
  const store = new Distributions({ ...options.distributions, clock })
  const services = { cloudfront: createCloudFrontDoor({ store, now }) }
  const doors = createAwsDoors({ services, key, now, logger })
  return { ...(await openAwsServer({ host, port, doors, logger })), key }
}
