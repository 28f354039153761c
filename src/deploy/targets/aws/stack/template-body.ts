import { randomBytes } from 'node:crypto'
import { explainAwsError } from '../sdk/errors.ts'
import { sdk } from '../sdk/sdk.ts'

/** CloudFormation takes no more in the request itself; from a bucket, 1 MB. */
const MAX_BODY_BYTES = 51_200
/** Beside the code of functions, which visitors cannot read in any mode. */
const TEMPLATE_KEY = 'code/template.json'

/** How CloudFormation is given a template. */
export interface SentTemplate {
  source: { TemplateBody: string } | { TemplateURL: string }
  /** When CloudFormation has read it. */
  dispose(): Promise<void>
}

/**
 * The template itself or, where that is too large, an object that has it: in the project's bucket,
 * and in one that lasts as long as it is needed before there is a bucket.
 */
export async function sendTemplate(
  text: string,
  region: string,
  bucket: string | undefined,
): Promise<SentTemplate> {
  if (Buffer.byteLength(text) <= MAX_BODY_BYTES) {
    return { source: { TemplateBody: text }, dispose: async () => {} }
  }
  const { S3Client, PutObjectCommand } = await sdk.s3()
  const s3 = new S3Client({ region })
  const Bucket = bucket ?? `mokapot-template-${randomBytes(10).toString('hex')}`
  try {
    if (bucket === undefined) await makeBucket(s3, Bucket, region)
    await s3.send(new PutObjectCommand({ Bucket, Key: TEMPLATE_KEY, Body: text }))
  } catch (error) {
    s3.destroy()
    throw explainAwsError(
      error,
      `send the template, which is too large for a request, to "${Bucket}"`,
    )
  }
  return {
    source: { TemplateURL: `https://${Bucket}.s3.${region}.amazonaws.com/${TEMPLATE_KEY}` },
    async dispose() {
      // What is left then is an empty-handed bucket, and no reason to end a deploy.
      if (bucket === undefined) await removeBucket(s3, Bucket).catch(() => {})
      s3.destroy()
    },
  }
}

type S3 = InstanceType<Awaited<ReturnType<typeof sdk.s3>>['S3Client']>

/** Private and encrypted is what every bucket is that AWS makes since 2023. */
async function makeBucket(s3: S3, Bucket: string, region: string): Promise<void> {
  const { CreateBucketCommand } = await sdk.s3()
  const CreateBucketConfiguration = { LocationConstraint: region as 'eu-central-1' }
  // us-east-1 is the one region that must not be named.
  const place = region === 'us-east-1' ? {} : { CreateBucketConfiguration }
  await s3.send(new CreateBucketCommand({ Bucket, ...place }))
}

async function removeBucket(s3: S3, Bucket: string): Promise<void> {
  const { DeleteBucketCommand, DeleteObjectCommand } = await sdk.s3()
  await s3.send(new DeleteObjectCommand({ Bucket, Key: TEMPLATE_KEY }))
  await s3.send(new DeleteBucketCommand({ Bucket }))
}
