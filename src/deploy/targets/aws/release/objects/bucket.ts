import type { CopyObjectCommandInput, S3Client } from '@aws-sdk/client-s3'
import { MokaError } from '../../../../../shared/errors.ts'
import { explainAwsError } from '../../sdk/errors.ts'
import { sdk } from '../../sdk/sdk.ts'
import type { ObjectHeaders } from '../object-headers.ts'
import { FRESH, Renewed } from '../renewed.ts'

/** As many requests as run at once: S3 answers each in some 20 ms, and 64 sockets cost little. */
export const PARALLEL_REQUESTS = 64
/** S3 takes so many keys in one DeleteObjects. */
const MAX_DELETED = 1000
/** `SlowDown` and its like are waited out before a deploy fails for them. */
const MAX_ATTEMPTS = 8

/** What a listing tells of an object. */
export interface ListedObject {
  key: string
  sizeBytes: number
  /** Without its quotes. MD5 of the content, where it came in one piece and S3 keeps the key. */
  etag: string
}

/** What an object is stored with. */
export interface StoredHead {
  sizeBytes: number
  contentType?: string
  cacheControl?: string
  metadata: Readonly<Record<string, string>>
  /** SHA-256 in base64; of an upload in parts, that of its parts' and how many there are (`…-3`). */
  checksum?: string
}

export interface StoredText {
  text: string
  etag: string
  /** How long ago it was written, by S3's own clock. */
  ageMs: number
}

/** The project's bucket. Each method is one call, but for listings and deletions of many. */
export class Bucket {
  readonly name: string
  readonly #client: Renewed<S3Client>
  readonly #s3: Awaited<ReturnType<typeof sdk.s3>>

  private constructor(
    name: string,
    client: Renewed<S3Client>,
    s3: Awaited<ReturnType<typeof sdk.s3>>,
  ) {
    this.name = name
    this.#client = client
    this.#s3 = s3
  }

  static async open(name: string, region: string): Promise<Bucket> {
    const s3 = await sdk.s3()
    const create = () =>
      new s3.S3Client({
        ...FRESH,
        region,
        maxAttempts: MAX_ATTEMPTS,
        retryMode: 'adaptive',
        // Of other endpoints than AWS's, names of buckets are no names in DNS.
        forcePathStyle:
          (process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL) !== undefined,
        requestHandler: {
          httpAgent: { maxSockets: PARALLEL_REQUESTS },
          httpsAgent: { maxSockets: PARALLEL_REQUESTS },
        },
        // What is sent is checked by SHA-256, which is known; what is read by what is expected of it.
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
      })
    return new Bucket(name, new Renewed(create), s3)
  }

  /** Undefined where there is no such object. */
  async read(key: string): Promise<StoredText | undefined> {
    let servedAt = 0
    const command = new this.#s3.GetObjectCommand({ Bucket: this.name, Key: key })
    command.middlewareStack.add(
      next => async args => {
        const output = await next(args)
        const { headers } = output.response as { headers?: Record<string, string> }
        servedAt = Date.parse(headers?.date ?? '')
        return output
      },
      { step: 'deserialize', name: 'readDate' },
    )
    try {
      const { Body, ETag, LastModified } = await this.#client.run(client => client.send(command))
      const text = (await Body?.transformToString()) ?? ''
      const writtenMs = LastModified?.getTime() ?? servedAt
      return { text, etag: ETag ?? '', ageMs: Math.max(0, servedAt - writtenMs) || 0 }
    } catch (error) {
      if ((error as Error).name === 'NoSuchKey') return undefined
      throw explainAwsError(error, `read "${key}" of bucket "${this.name}"`)
    }
  }

  /** Undefined where there is no such object. */
  async readBytes(key: string): Promise<Uint8Array | undefined> {
    try {
      const { Body } = await this.#client.run(client =>
        client.send(new this.#s3.GetObjectCommand({ Bucket: this.name, Key: key })),
      )
      return await Body?.transformToByteArray()
    } catch (error) {
      if ((error as Error).name === 'NoSuchKey') return undefined
      throw explainAwsError(error, `read "${key}" of bucket "${this.name}"`)
    }
  }

  /** Stores a text that no visitor asks for; its ETag. */
  async write(key: string, text: string, more: { contentType?: string } = {}): Promise<string> {
    const { ETag } = await this.#run(
      client =>
        client.send(
          new this.#s3.PutObjectCommand({
            Bucket: this.name,
            Key: key,
            Body: text,
            ContentType: more.contentType ?? 'application/json',
          }),
        ),
      `write "${key}" to`,
    )
    return ETag ?? ''
  }

  /**
   * Stores a text where there is none yet, or one with that ETag; its ETag. Undefined where it is
   * otherwise.
   */
  async writeIf(
    key: string,
    text: string,
    condition: { isAbsent: true } | { etag: string },
  ): Promise<string | undefined> {
    try {
      const { ETag } = await this.#client.run(client =>
        client.send(
          new this.#s3.PutObjectCommand({
            Bucket: this.name,
            Key: key,
            Body: text,
            ContentType: 'application/json',
            ...('etag' in condition ? { IfMatch: condition.etag } : { IfNoneMatch: '*' }),
          }),
        ),
      )
      return ETag ?? ''
    } catch (error) {
      if (isConditionFailed(error)) return undefined
      throw explainAwsError(error, `write "${key}" to bucket "${this.name}"`)
    }
  }

  /** Stores an object, whose SHA-256 S3 compares with what arrived. */
  async put(key: string, body: Uint8Array, sha256: string, headers: ObjectHeaders): Promise<void> {
    const command = new this.#s3.PutObjectCommand({
      Bucket: this.name,
      Key: key,
      Body: body,
      ContentLength: body.length,
      ChecksumAlgorithm: 'SHA256',
      ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
      ...headerFields(headers),
    })
    await this.#run(client => client.send(command), `upload "${key}" to`)
  }

  /** Copies within the bucket, on the server, with headers of its own; `version` is of what is copied. */
  async copy(from: string, to: string, headers: ObjectHeaders, version?: string): Promise<void> {
    const source = `${this.name}/${from.split('/').map(encodeURIComponent).join('/')}`
    const input: CopyObjectCommandInput = {
      Bucket: this.name,
      CopySource: version === undefined ? source : `${source}?versionId=${version}`,
      Key: to,
      MetadataDirective: 'REPLACE',
      ...headerFields(headers),
    }
    await this.#run(
      client => client.send(new this.#s3.CopyObjectCommand(input)),
      `copy "${from}" to "${to}" in`,
    )
  }

  /** Starts an upload in parts. */
  async startParts(key: string, headers: ObjectHeaders): Promise<string> {
    const { UploadId } = await this.#run(
      client =>
        client.send(
          new this.#s3.CreateMultipartUploadCommand({
            Bucket: this.name,
            Key: key,
            ChecksumAlgorithm: 'SHA256',
            ContentType: headers.contentType,
            ...(headers.cacheControl === undefined ? {} : { CacheControl: headers.cacheControl }),
            ...(headers.metadata === undefined ? {} : { Metadata: { ...headers.metadata } }),
          }),
        ),
      `upload "${key}" to`,
    )
    return UploadId ?? ''
  }

  async putPart(
    upload: { key: string; id: string },
    number: number,
    body: Uint8Array,
    sha256: string,
  ): Promise<UploadedPart> {
    const ChecksumSHA256 = Buffer.from(sha256, 'hex').toString('base64')
    const { ETag } = await this.#run(
      client =>
        client.send(
          new this.#s3.UploadPartCommand({
            Bucket: this.name,
            Key: upload.key,
            UploadId: upload.id,
            PartNumber: number,
            Body: body,
            ContentLength: body.length,
            ChecksumSHA256,
          }),
        ),
      `upload part ${number} of "${upload.key}" to`,
    )
    return { PartNumber: number, ETag: ETag ?? '', ChecksumSHA256 }
  }

  async joinParts(
    upload: { key: string; id: string },
    parts: readonly UploadedPart[],
  ): Promise<void> {
    await this.#run(
      client =>
        client.send(
          new this.#s3.CompleteMultipartUploadCommand({
            Bucket: this.name,
            Key: upload.key,
            UploadId: upload.id,
            MultipartUpload: { Parts: [...parts] },
          }),
        ),
      `upload "${upload.key}" to`,
    )
  }

  async dropParts(upload: { key: string; id: string }): Promise<void> {
    await this.#run(
      client =>
        client.send(
          new this.#s3.AbortMultipartUploadCommand({
            Bucket: this.name,
            Key: upload.key,
            UploadId: upload.id,
          }),
        ),
      `end the upload of "${upload.key}" to`,
    )
  }

  /** What an object, or an older version of one, is stored with; undefined where there is none. */
  async head(key: string, version?: string): Promise<StoredHead | undefined> {
    const input = { Bucket: this.name, Key: key, ChecksumMode: 'ENABLED' as const }
    try {
      const found = await this.#client.run(client =>
        client.send(
          new this.#s3.HeadObjectCommand({
            ...input,
            ...(version === undefined ? {} : { VersionId: version }),
          }),
        ),
      )
      return {
        sizeBytes: found.ContentLength ?? 0,
        ...(found.ContentType === undefined ? {} : { contentType: found.ContentType }),
        ...(found.CacheControl === undefined ? {} : { cacheControl: found.CacheControl }),
        metadata: found.Metadata ?? {},
        ...(found.ChecksumSHA256 === undefined ? {} : { checksum: found.ChecksumSHA256 }),
      }
    } catch (error) {
      if ((error as Error).name === 'NotFound') return undefined
      throw explainAwsError(error, `look for "${key}" in bucket "${this.name}"`)
    }
  }

  /** Everything whose key begins so, in order; one call for each thousand. */
  async list(prefix: string): Promise<ListedObject[]> {
    const found: ListedObject[] = []
    let token: string | undefined
    do {
      const page = await this.#run(
        client =>
          client.send(
            new this.#s3.ListObjectsV2Command({
              Bucket: this.name,
              Prefix: prefix,
              ...(token === undefined ? {} : { ContinuationToken: token }),
            }),
          ),
        `list "${prefix}" in`,
      )
      for (const { Key, Size, ETag } of page.Contents ?? []) {
        if (Key === undefined) continue
        found.push({ key: Key, sizeBytes: Size ?? 0, etag: (ETag ?? '').replaceAll('"', '') })
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (token !== undefined)
    return found
  }

  /** Versions that an object has had, newest first, without those that say that it was deleted. */
  async versions(key: string): Promise<{ version: string; sizeBytes: number }[]> {
    const found: { version: string; sizeBytes: number }[] = []
    let marker: { KeyMarker: string; VersionIdMarker: string } | undefined
    do {
      const page = await this.#run(
        client =>
          client.send(
            new this.#s3.ListObjectVersionsCommand({ Bucket: this.name, Prefix: key, ...marker }),
          ),
        `list the versions of "${key}" in`,
      )
      for (const { Key, VersionId, Size } of page.Versions ?? []) {
        if (Key !== key || VersionId === undefined) continue
        found.push({ version: VersionId, sizeBytes: Size ?? 0 })
      }
      // Keys that begin like this one come after all of its own.
      const { NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page
      const isMore = page.IsTruncated === true && KeyMarker === key
      marker = isMore ? { KeyMarker, VersionIdMarker: VersionIdMarker ?? '' } : undefined
    } while (marker !== undefined)
    return found
  }

  /** What is not there is deleted already. */
  async delete(keys: readonly string[]): Promise<void> {
    for (let start = 0; start < keys.length; start += MAX_DELETED) {
      const Objects = keys.slice(start, start + MAX_DELETED).map(Key => ({ Key }))
      const { Errors } = await this.#run(
        client =>
          client.send(
            new this.#s3.DeleteObjectsCommand({
              Bucket: this.name,
              Delete: { Objects, Quiet: true },
            }),
          ),
        'delete objects of',
      )
      const first = Errors?.[0]
      if (first !== undefined) {
        throw new MokaError(
          'AWS_NOT_DELETED',
          `cannot delete "${first.Key}" of bucket "${this.name}": ${first.Message ?? first.Code}`,
        )
      }
    }
  }

  /** Deletes an object that still has that ETag; one that has another stays. */
  async deleteIf(key: string, etag: string): Promise<void> {
    try {
      await this.#client.run(client =>
        client.send(
          new this.#s3.DeleteObjectCommand({ Bucket: this.name, Key: key, IfMatch: etag }),
        ),
      )
    } catch (error) {
      if (isConditionFailed(error)) return
      throw explainAwsError(error, `delete "${key}" of bucket "${this.name}"`)
    }
  }

  close(): void {
    this.#client.close()
  }

  /** Runs a call; `what` reads `upload "x" to`. */
  async #run<T>(call: (client: S3Client) => Promise<T>, what: string): Promise<T> {
    try {
      return await this.#client.run(call)
    } catch (error) {
      throw explainAwsError(error, `${what} bucket "${this.name}"`)
    }
  }
}

export interface UploadedPart {
  PartNumber: number
  ETag: string
  ChecksumSHA256: string
}

function headerFields({ contentType, cacheControl, metadata }: ObjectHeaders) {
  return {
    ContentType: contentType,
    CacheControl: cacheControl,
    ...(metadata === undefined ? {} : { Metadata: { ...metadata } }),
  }
}

/** 412; 409 where another conditional write of the same key is under way; 404 to If-Match. */
function isConditionFailed(error: unknown): boolean {
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
  return status === 412 || status === 409 || (error as Error).name === 'NoSuchKey'
}
