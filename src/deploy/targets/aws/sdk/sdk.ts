import { createRequire } from 'node:module'
import { join } from 'node:path'
import { MokaError, systemErrorCode } from '../../../../shared/errors.ts'

/**
 * AWS's clients, each loaded when it is first asked for: a home deploy loads none, and who deploys
 * to AWS installs them. Throws `AWS_SDK_MISSING` with the command that does.
 */
export const sdk = {
  acm: () => load('client-acm', () => import('@aws-sdk/client-acm')),
  cloudformation: () =>
    load('client-cloudformation', () => import('@aws-sdk/client-cloudformation')),
  cloudfront: () => load('client-cloudfront', () => import('@aws-sdk/client-cloudfront')),
  /** Its requests are signed for all regions at once (SigV4a), which the client does with this. */
  keyValueStore: () =>
    load('client-cloudfront-keyvaluestore', async () => {
      await load('signature-v4a', () => import('@aws-sdk/signature-v4a'))
      return import('@aws-sdk/client-cloudfront-keyvaluestore')
    }),
  iam: () => load('client-iam', () => import('@aws-sdk/client-iam')),
  lambda: () => load('client-lambda', () => import('@aws-sdk/client-lambda')),
  logs: () => load('client-cloudwatch-logs', () => import('@aws-sdk/client-cloudwatch-logs')),
  quotas: () => load('client-service-quotas', () => import('@aws-sdk/client-service-quotas')),
  rds: () => load('client-rds', () => import('@aws-sdk/client-rds')),
  route53: () => load('client-route-53', () => import('@aws-sdk/client-route-53')),
  s3: () => load('client-s3', () => import('@aws-sdk/client-s3')),
  ssm: () => load('client-ssm', () => import('@aws-sdk/client-ssm')),
  sts: () => load('client-sts', () => import('@aws-sdk/client-sts')),
}

const CLIENTS = [
  ...['acm', 'cloudformation', 'cloudfront', 'cloudfront-keyvaluestore', 'cloudwatch-logs', 'iam'],
  ...['lambda', 'rds', 'route-53', 's3', 'service-quotas', 'ssm', 'sts'],
]
/** What `npm install` needs, so that one command is enough. */
export const SDK_PACKAGES: readonly string[] = [
  ...CLIENTS.map(name => `@aws-sdk/client-${name}`),
  '@aws-sdk/signature-v4a',
]

async function load<T>(name: string, importing: () => Promise<T>): Promise<T> {
  // The warning of an old Node would stand above every answer; `moka doctor --to aws` has it.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true'
  try {
    return await importing()
  } catch (error) {
    if (systemErrorCode(error) !== 'ERR_MODULE_NOT_FOUND') throw error
    const found = loadFromProject<T>(`@aws-sdk/${name}`)
    if (found !== undefined) return found
    throw new MokaError(
      'AWS_SDK_MISSING',
      `cannot speak to AWS: package "@aws-sdk/${name}" is not installed`,
      {
        hint: `npm install --save-dev ${SDK_PACKAGES.join(' ')}`,
        cause: error,
      },
    )
  }
}

/** Where the packages may be: `npx --package mokapot` runs us from a folder of its own. */
export function requiresOfSdk(): NodeJS.Require[] {
  return [import.meta.url, join(process.cwd(), 'package.json')].map(from => createRequire(from))
}

function loadFromProject<T>(name: string): T | undefined {
  const require = requiresOfSdk()[1]!
  try {
    require.resolve(name)
  } catch {
    return undefined
  }
  return require(name) as T
}
