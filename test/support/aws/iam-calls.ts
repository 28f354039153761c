import { ACCOUNT } from './account.ts'
import type { IamCall } from './iam.ts'
import type { Operation } from './operations.ts'

const REGION = 'eu-central-1'
const BUCKET = 'arn:aws:s3:::mokapot-site-files'
const STORE = `arn:aws:cloudfront::${ACCOUNT}:key-value-store/site-store`
const FUNCTION = `arn:aws:lambda:${REGION}:${ACCOUNT}:function:mokapot-site_visits`
const SECRETS = `arn:aws:ssm:${REGION}:${ACCOUNT}:parameter/mokapot/site/secrets`

/** What IAM is asked for where that is called otherwise than the operation. */
const S3: Readonly<Record<string, readonly string[]>> = {
  HeadObject: ['GetObject'],
  CopyObject: ['GetObject', 'PutObject'],
  DeleteObjects: ['DeleteObject'],
  CreateMultipartUpload: ['PutObject'],
  UploadPart: ['PutObject'],
  CompleteMultipartUpload: ['PutObject'],
  ListObjectsV2: ['ListBucket'],
  ListObjectVersions: ['ListBucketVersions'],
  HeadBucket: ['ListBucket'],
}

/**
 * What IAM is asked by the calls of a deploy of the project "site", each once: the resources are those
 * of `iam.ts`. Throws where a service is none that a deploy ought to ask.
 */
export function iamCallsOf(operations: readonly Operation[]): IamCall[] {
  const calls = new Map<string, IamCall>()
  for (const operation of operations) {
    for (const call of callsOf(operation)) calls.set(`${call.action} ${call.resource}`, call)
  }
  return [...calls.values()]
}

function callsOf({ service, name, region }: Operation): IamCall[] {
  const call = (action: string, resource: string) => [{ action, resource }]
  switch (service) {
    case 'sts':
      return [] // who one is, everybody may ask
    case 's3':
      return (S3[name] ?? [name]).map(action => ({
        action: `s3:${action}`,
        resource: action.startsWith('ListBucket') ? BUCKET : `${BUCKET}/any/key`,
      }))
    case 'cloudfront-keyvaluestore':
      return call(`cloudfront-keyvaluestore:${name}`, STORE)
    case 'cloudfront':
      if (name.endsWith('Function')) {
        const edge = `arn:aws:cloudfront::${ACCOUNT}:function`
        return call(`cloudfront:${name}`, `${edge}/site-request-${REGION}`)
      }
      return call(`cloudfront:${name}`, `arn:aws:cloudfront::${ACCOUNT}:distribution/ESITE`)
    case 'cloudformation': {
      const stack = region === 'us-east-1' ? 'mokapotdomain-site' : 'mokapot-site'
      return call(
        `cloudformation:${name}`,
        `arn:aws:cloudformation:${region}:${ACCOUNT}:stack/${stack}/8f1`,
      )
    }
    case 'lambda':
      if (name === 'GetAccountSettings') return call('lambda:GetAccountSettings', '*')
      if (name === 'Invoke') return call('lambda:InvokeFunction', FUNCTION)
      return call(`lambda:${name}`, name === 'DeleteFunction' ? `${FUNCTION}:1` : FUNCTION)
    case 'ssm':
      return call(`ssm:${name}`, SECRETS)
    case 'logs':
      return call(
        `logs:${name}`,
        `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:/aws/lambda/mokapot-site_visits`,
      )
    case 'iam':
      return call(`iam:${name}`, '*')
    default:
      throw new Error(`a deploy asks ${service} for ${name}: add it to the rights and to this list`)
  }
}
