import { nearestName } from '../../../../../config/hints.ts'
import { type Check, type Found, listNames } from '../../../../doctor/finding.ts'
import { requiresOfSdk, SDK_PACKAGES, sdk } from '../../sdk/sdk.ts'
import type { AwsContext } from '../context.ts'
import { REGIONS } from '../regions.ts'

const MINUTE_MS = 60_000
/** Of versions published after the first week of January 2027: https://a.co/c895JFp */
const SDK_NEXT_NODE = 22

/** Which of AWS's clients are there, and of which version. */
export const sdkCheck: Check = {
  name: 'AWS SDK',
  run: async () => {
    const versions = SDK_PACKAGES.map(name => ({ name, version: versionOf(name) }))
    const missing = versions.filter(({ version }) => version === undefined).map(({ name }) => name)
    if (missing.length > 0) {
      return {
        level: 'problem',
        what: `${missing.length} of its ${SDK_PACKAGES.length} packages are not installed: ${listNames(missing)}`,
        why: 'a deploy to AWS speaks by them; they are no part of Mokapot, as a home deploy needs none',
        fix: `npm install --save-dev ${missing.join(' ')}`,
      }
    }
    const found = [...new Set(versions.map(({ version }) => version!))].sort()
    const range = found.length === 1 ? found[0]! : `${found[0]} to ${found.at(-1)}`
    const isOld = Number(process.versions.node.split('.')[0]) < SDK_NEXT_NODE
    const next = isOld ? `; newer ones than of 2026 need Node ${SDK_NEXT_NODE}` : ''
    return { level: 'ok', what: `${versions.length} packages, ${range}${next}` }
  },
}

/** Whose credentials they are. Everything else that asks AWS hangs on them. */
export function identityCheck(aws: AwsContext): Check {
  return {
    name: 'credentials',
    async run(signal) {
      const { account, arn, isRoot } = await aws.identity(signal)
      if (!isRoot) return { level: 'ok', what: `${shortArn(arn)} of account ${account}` }
      return {
        level: 'note',
        what: `root of account ${account}`,
        why: 'root may do everything and cannot be limited: a key of it that leaks is the whole account',
        fix: 'make a user in IAM Identity Center, sign in with `aws sso login`, delete root’s access keys: https://console.aws.amazon.com/iam/home#/security_credentials',
      }
    },
  }
}

/** The SDK makes up for a wrong clock once it was refused; nobody else on this machine does. */
export function clockCheck(aws: AwsContext): Check {
  return {
    name: 'clock',
    async run(signal) {
      const { clockOffsetMs } = await aws.identity(signal)
      const minutes = Math.round(Math.abs(clockOffsetMs) / MINUTE_MS)
      if (minutes < 1) return { level: 'ok', what: 'as AWS’s, to the minute' }
      return {
        level: 'note',
        what: `${minutes} minutes ${clockOffsetMs > 0 ? 'behind' : 'ahead of'} AWS’s`,
        why: 'AWS refuses signatures older than 5 minutes, and certificates look expired, or not valid yet',
        fix: 'timedatectl set-ntp true (Linux), sudo sntp -sS time.apple.com (macOS)',
      }
    },
  }
}

/** Whether the account may use the project's region, and whether that has what the project wants. */
export function regionCheck(aws: AwsContext): Check {
  return {
    name: 'region',
    async run(signal) {
      const { region, database } = aws.project.aws
      const { regionFault } = await aws.identity(signal)
      if (regionFault === 'no such region') return noSuchRegion(region)
      if (regionFault === 'not enabled') {
        return {
          level: 'problem',
          what: `${region} is not enabled for this account`,
          fix: `aws account enable-region --region-name ${region} (takes some minutes), or another \`aws.region\``,
        }
      }
      if (database !== 'dsql') return { level: 'ok', what: `${region}; Lambda on arm64 is there` }
      if (await hasType(aws, 'AWS::DSQL::Cluster', signal)) {
        return { level: 'ok', what: `${region}; Lambda on arm64 and Aurora DSQL are there` }
      }
      return {
        level: 'problem',
        what: `${region} has no Aurora DSQL, which \`aws.database\` asks for`,
        fix: "another `aws.region`, such as us-east-1 or eu-west-1; or `aws.database: 'rds'`: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/what-is-aurora-dsql.html#region-availability",
      }
    },
  }
}

function noSuchRegion(region: string): Found {
  const near = nearestName(region, REGIONS)
  return {
    level: 'problem',
    what: `there is no region "${region}"`,
    fix: `\`aws.region\` in moka.config.ts, or AWS_REGION${near === undefined ? '' : `: "${near}"?`}`,
  }
}

/** Whether CloudFormation can make such a thing in this region. */
async function hasType(aws: AwsContext, type: string, signal: AbortSignal): Promise<boolean> {
  const { CloudFormationClient, DescribeTypeCommand } = await sdk.cloudformation()
  const client = new CloudFormationClient(await aws.config())
  try {
    const asked = new DescribeTypeCommand({ Type: 'RESOURCE', TypeName: type })
    await client.send(asked, { abortSignal: signal })
    return true
  } catch (error) {
    if ((error as Error).name === 'TypeNotFoundException') return false
    throw error
  }
}

function versionOf(name: string): string | undefined {
  for (const require of requiresOfSdk()) {
    try {
      return (require(`${name}/package.json`) as { version: string }).version
    } catch {} // it is not there
  }
  return undefined
}

/** `user/anna`, `assumed-role/deploy/anna`. */
export function shortArn(arn: string): string {
  return arn.split(':').slice(5).join(':')
}
