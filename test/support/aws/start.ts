import { AccountDesk } from './account-desk.ts'
import { Faults } from './faults.ts'
import './localhost-names.mjs'
import { Stacks } from './cloudformation/stacks.ts'
import { EdgeFunctions } from './edge-functions.ts'
import { KeyValueStores } from './key-value-stores.ts'
import { Lambdas } from './lambda/lambdas.ts'
import { noAws, startMoto } from './moto.ts'
import { Policies } from './policies.ts'
import { startProxy } from './proxy.ts'
import { createStandIn } from './stand-in.ts'

export { noAws }

/** An account of AWS on loopback: moto, and a stand-in for what moto lacks. */
export interface Aws {
  /** All services. */
  endpoint: string
  /** moto's own, without the stand-in: for benchmarks of S3. */
  motoEndpoint: string
  /** Makes every client speak to it: for a process, or by `Object.assign(process.env, aws.env)`. */
  env: Record<string, string>
  /** What was asked, and what goes wrong on demand. */
  faults: Faults
  /** Quotas, permissions and what other accounts have; a test changes it. */
  account: AccountDesk
  stacks: Stacks
  keyValueStores: KeyValueStores
  /** Runs what was sent to Lambda. */
  lambdas: Lambdas
  edgeFunctions: EdgeFunctions
  close(): Promise<void>
}

/** Throws where moto is not installed: `describe.skipIf(noAws !== undefined)`. */
export async function startAws(region = 'eu-central-1'): Promise<Aws> {
  const moto = await startMoto()
  const faults = new Faults()
  const keyValueStores = new KeyValueStores()
  const edgeFunctions = new EdgeFunctions()
  keyValueStores.isInUse = arn => edgeFunctions.hasStore(arn)
  const account = new AccountDesk()
  const lambdas = new Lambdas(moto.endpoint)
  const policies = new Policies()
  const stacks = new Stacks({ moto: moto.endpoint, keyValueStores, edgeFunctions, policies })
  const proxy = await startProxy(
    moto.endpoint,
    faults,
    createStandIn({ account, keyValueStores, lambdas, edgeFunctions, policies, stacks }),
  )
  lambdas.endpoint = proxy.endpoint
  const names = new URL('localhost-names.mjs', import.meta.url).href
  return {
    ...{ endpoint: proxy.endpoint, motoEndpoint: moto.endpoint },
    ...{ faults, account, stacks, keyValueStores, lambdas, edgeFunctions },
    env: {
      AWS_ENDPOINT_URL: proxy.endpoint,
      // The account is put in front of the host, which an address would not bear.
      AWS_ENDPOINT_URL_CLOUDFRONT_KEYVALUESTORE: proxy.endpoint.replace('127.0.0.1', 'localhost'),
      AWS_ACCESS_KEY_ID: 'AKIATEST',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_REGION: region,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      NODE_OPTIONS: `--import=${names}`,
    },
    async close() {
      await lambdas.close()
      await proxy.close()
      await moto.close()
    },
  }
}
