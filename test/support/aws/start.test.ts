import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sdk } from '../../../src/deploy/targets/aws/sdk/sdk.ts'
import { type Aws, noAws, startAws } from './start.ts'

describe.skipIf(noAws !== undefined)(
  `AWS on loopback ${noAws === undefined ? '' : `(skipped: ${noAws})`}`,
  () => {
    let aws: Aws
    beforeAll(async () => {
      aws = await startAws()
      Object.assign(process.env, aws.env)
    })
    afterAll(() => aws?.close())

    it('passes objects to moto, and counts the calls', async () => {
      const {
        S3Client,
        CreateBucketCommand,
        PutObjectCommand,
        GetObjectCommand,
        ListObjectsV2Command,
      } = await sdk.s3()
      const s3 = new S3Client()
      const CreateBucketConfiguration = { LocationConstraint: 'eu-central-1' } as const
      await s3.send(new CreateBucketCommand({ Bucket: 'bucket', CreateBucketConfiguration }))
      const Body = randomBytes(300_000)
      await s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'ü/x y', Body }))
      const got = await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'ü/x y' }))
      expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(Body)).toBe(true)
      await s3.send(new ListObjectsV2Command({ Bucket: 'bucket' }))
      expect(aws.faults.counts()).toMatchObject({
        ...{ 's3:CreateBucket': 1, 's3:PutObject': 1, 's3:GetObject': 1, 's3:ListObjectsV2': 1 },
      })
    })

    it('fails the call that it is told to, cuts connections and lets keys expire', async () => {
      const { S3Client, HeadBucketCommand, PutObjectCommand } = await sdk.s3()
      const s3 = new S3Client({ maxAttempts: 1 })
      const put = () => s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'k', Body: 'x' }))
      aws.faults.refuse('s3:PutObject', { code: 'SlowDown', status: 503 }, { nth: 2 })
      await put()
      await expect(put()).rejects.toMatchObject({ name: 'SlowDown' })
      await put()
      aws.faults.cut('s3:PutObject')
      await expect(put()).rejects.toMatchObject({ code: 'ECONNRESET' })
      aws.faults.expire('AKIATEST', 1)
      await put()
      await expect(put()).rejects.toMatchObject({ name: 'ExpiredToken' })
      aws.faults.renew('AKIATEST')
      await s3.send(new HeadBucketCommand({ Bucket: 'bucket' }))
      aws.faults.clear()
    })

    it('holds a call until it is let go', async () => {
      const { STSClient, GetCallerIdentityCommand } = await sdk.sts()
      const held = aws.faults.hold('sts:GetCallerIdentity')
      const asked = new STSClient().send(new GetCallerIdentityCommand())
      await held.reached
      held.release()
      expect(await asked).toMatchObject({ Account: '123456789012' })
    })

    it('keeps a KeyValueStore whose writer must have seen the last write', async () => {
      const { CloudFrontClient, CreateKeyValueStoreCommand, DescribeKeyValueStoreCommand } =
        await sdk.cloudfront()
      const cloudfront = new CloudFrontClient()
      await cloudfront.send(new CreateKeyValueStoreCommand({ Name: 'live' }))
      const { KeyValueStore } = await cloudfront.send(
        new DescribeKeyValueStoreCommand({ Name: 'live' }),
      )
      const data = await sdk.keyValueStore()
      const keys = new data.CloudFrontKeyValueStoreClient({ region: 'us-east-1' })
      const KvsARN = KeyValueStore?.ARN
      const before = await keys.send(new data.DescribeKeyValueStoreCommand({ KvsARN }))
      const Puts = [
        { Key: 'live', Value: 'r-1' },
        { Key: 'p/ä b', Value: 'x' },
      ]
      const after = await keys.send(
        new data.UpdateKeysCommand({ KvsARN, IfMatch: before.ETag, Puts }),
      )
      expect(after).toMatchObject({ ItemCount: 2 })
      await expect(
        keys.send(
          new data.PutKeyCommand({ KvsARN, IfMatch: before.ETag, Key: 'live', Value: 'r-2' }),
        ),
      ).rejects.toMatchObject({ name: 'ConflictException' })
      expect(await keys.send(new data.GetKeyCommand({ KvsARN, Key: 'live' }))).toMatchObject({
        Value: 'r-1',
      })
      const many = Array.from({ length: 51 }, (_, at) => ({ Key: `k${at}`, Value: 'v' }))
      await expect(
        keys.send(new data.UpdateKeysCommand({ KvsARN, IfMatch: after.ETag, Puts: many })),
      ).rejects.toMatchObject({ name: 'ValidationException' })
      const listed = await keys.send(new data.ListKeysCommand({ KvsARN, MaxResults: 1 }))
      expect(listed).toMatchObject({ Items: [{ Key: 'live' }], NextToken: expect.any(String) })
      await keys.send(new data.DeleteKeyCommand({ KvsARN, IfMatch: after.ETag, Key: 'p/ä b' }))
    })

    it('keeps functions of the edge by stage, and refuses more than 10 KB', async () => {
      const client = await sdk.cloudfront()
      const cloudfront = new client.CloudFrontClient()
      const FunctionConfig = { Comment: '', Runtime: 'cloudfront-js-2.0' } as const
      const FunctionCode = Buffer.from('function handler(event) { return event.request }')
      const made = await cloudfront.send(
        new client.CreateFunctionCommand({ Name: 'f', FunctionConfig, FunctionCode }),
      )
      await expect(
        cloudfront.send(new client.DescribeFunctionCommand({ Name: 'f', Stage: 'LIVE' })),
      ).rejects.toMatchObject({ name: 'NoSuchFunctionExists' })
      await cloudfront.send(new client.PublishFunctionCommand({ Name: 'f', IfMatch: made.ETag }))
      expect(
        await cloudfront.send(new client.DescribeFunctionCommand({ Name: 'f', Stage: 'LIVE' })),
      ).toMatchObject({ FunctionSummary: { FunctionMetadata: { Stage: 'LIVE' } } })
      const got = await cloudfront.send(new client.GetFunctionCommand({ Name: 'f' }))
      expect(Buffer.from(got.FunctionCode ?? []).equals(FunctionCode)).toBe(true)
      const large = Buffer.alloc(10_241, ' ')
      await expect(
        cloudfront.send(
          new client.CreateFunctionCommand({ Name: 'g', FunctionConfig, FunctionCode: large }),
        ),
      ).rejects.toMatchObject({ name: 'FunctionSizeLimitExceeded' })
    })
  },
)
