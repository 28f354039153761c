// Where a deploy's files may lie: moto, and any other server of S3 that the caller names.
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'

/**
 * `[NAME=]URL` with commas between, as MOKA_BENCHMARK_S3 has them; a URL may have its own keys
 * (`http://KEY:SECRET@127.0.0.1:9000`), and has those of the environment otherwise.
 */
export function readEndpoints(text = '') {
  return text
    .split(',')
    .filter(part => part.trim() !== '')
    .map(part => {
      const [, name, address] = /^(?:([^=/]+)=)?(.+)$/.exec(part.trim())
      const url = new URL(address)
      const accessKeyId = decodeURIComponent(url.username) || process.env.AWS_ACCESS_KEY_ID
      const secretAccessKey = decodeURIComponent(url.password) || process.env.AWS_SECRET_ACCESS_KEY
      if (accessKeyId === undefined || secretAccessKey === undefined) {
        throw new Error(
          `there are no keys for ${url.host}\ntry: http://KEY:SECRET@${url.host}, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
        )
      }
      return { name: name ?? url.host, address: url.origin, keys: { accessKeyId, secretAccessKey } }
    })
}

/**
 * A door before the endpoint that counts what goes through. One of HTTPS has none, for its host is in
 * every signature: `calls` is undefined.
 */
export async function openEndpoint({ name, address, keys }, { startProxy, Faults }, region) {
  const counted = new Faults()
  const proxy = address.startsWith('http:')
    ? await startProxy(address, counted, async () => undefined)
    : undefined
  const endpoint = proxy?.endpoint ?? address
  return {
    name,
    endpoint,
    env: {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    },
    client: clientOf(endpoint, keys, region),
    calls: proxy === undefined ? undefined : () => counted.count('s3:*'),
    forgetCalls: () => counted.forgetCalls(),
    close: async () => proxy?.close(),
  }
}

export function clientOf(endpoint, credentials, region) {
  return new S3Client({
    ...{ endpoint, region, credentials, forcePathStyle: true },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  })
}

export async function makeBucket(client, Bucket, region) {
  const CreateBucketConfiguration = { LocationConstraint: region }
  await client.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
}

/** What a first small release left, in a bucket of the name that the stack has made: its name. */
export async function copyBucket(from, to, prefix, region) {
  const { Buckets = [] } = await from.send(new ListBucketsCommand())
  const Bucket = Buckets.find(({ Name }) => Name.startsWith(prefix)).Name
  await makeBucket(to, Bucket, region)
  const { Contents = [] } = await from.send(new ListObjectsV2Command({ Bucket }))
  for (const { Key } of Contents) {
    const { Body, ContentType, CacheControl, Metadata } = await from.send(
      new GetObjectCommand({ Bucket, Key }),
    )
    const body = await Body.transformToByteArray()
    await to.send(
      new PutObjectCommand({ Bucket, Key, Body: body, ContentType, CacheControl, Metadata }),
    )
  }
  return Bucket
}

/** With all that is in it. */
export async function removeBucket(client, Bucket) {
  for (;;) {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }))
    if (Contents.length === 0) break
    const Delete = { Objects: Contents.map(({ Key }) => ({ Key })), Quiet: true }
    await client.send(new DeleteObjectsCommand({ Bucket, Delete }))
  }
  await client.send(new DeleteBucketCommand({ Bucket }))
}
