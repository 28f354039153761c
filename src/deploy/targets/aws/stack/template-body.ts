import { createHash } from 'node:crypto'
import { explainAwsError } from '../sdk/errors.ts'
import { sdk } from '../sdk/sdk.ts'

/** CloudFormation takes no more in the request itself; from a bucket, 1 MB. */
const MAX_BODY_BYTES = 51_200
/** Nobody reads a template twice. */
const KEPT_DAYS = 1

/** How CloudFormation is given a template. */
export type TemplateSource = { TemplateBody: string } | { TemplateURL: string }

/**
 * The template itself, or where it was put: a bucket for templates alone, which is made when the
 * first one is too large. (The project's own bucket is not there before its stack is.)
 */
export async function templateSource(text: string, region: string): Promise<TemplateSource> {
  if (Buffer.byteLength(text) <= MAX_BODY_BYTES) return { TemplateBody: text }
  try {
    return { TemplateURL: await putTemplate(text, region) }
  } catch (error) {
    throw explainAwsError(error, 'send the template, which is too large for a request,')
  }
}

async function putTemplate(text: string, region: string): Promise<string> {
  const { STSClient, GetCallerIdentityCommand } = await sdk.sts()
  const { Account } = await new STSClient({ region }).send(new GetCallerIdentityCommand({}))
  const { S3Client, HeadBucketCommand, PutObjectCommand } = await sdk.s3()
  const s3 = new S3Client({ region })
  try {
    const Bucket = `mokapot-${Account}-${region}-templates`
    const owned = { Bucket, ...(Account !== undefined && { ExpectedBucketOwner: Account }) }
    const isThere = await s3.send(new HeadBucketCommand(owned)).then(
      () => true,
      error => {
        if (error?.$metadata?.httpStatusCode === 404) return false
        throw error
      },
    )
    if (!isThere) await makeBucket(s3, Bucket, region)
    const Key = `${createHash('sha256').update(text).digest('hex')}.json`
    await s3.send(new PutObjectCommand({ ...owned, Key, Body: text }))
    return `https://${Bucket}.s3.${region}.amazonaws.com/${Key}`
  } finally {
    s3.destroy()
  }
}

type S3 = InstanceType<Awaited<ReturnType<typeof sdk.s3>>['S3Client']>

/** Private and encrypted is what every bucket is that AWS makes since 2023. */
async function makeBucket(s3: S3, Bucket: string, region: string): Promise<void> {
  const { CreateBucketCommand, PutBucketLifecycleConfigurationCommand } = await sdk.s3()
  const constraint = { LocationConstraint: region as 'eu-central-1' }
  await s3.send(
    new CreateBucketCommand({
      Bucket,
      // us-east-1 is the one region that must not be named.
      ...(region !== 'us-east-1' && { CreateBucketConfiguration: constraint }),
    }),
  )
  const rule = {
    ID: 'templates-are-read-once',
    Status: 'Enabled' as const,
    Filter: { Prefix: '' },
    Expiration: { Days: KEPT_DAYS },
  }
  const LifecycleConfiguration = { Rules: [rule] }
  await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration }))
}
