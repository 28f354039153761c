import { describe, expect, it } from 'vitest'
import { matchesGlob } from '../../../../../edge/behaviors/path-pattern.ts'
import { manifestKey, RESERVED_KEYS, releaseFolder } from '../../stack/names.ts'
import { sampleProject } from '../sample.contract.ts'
import { accessLogs } from './access-logs.ts'
import { bucket } from './bucket.ts'

interface Statement {
  Effect: 'Allow' | 'Deny'
  Principal: { Service?: string } | string
  Action: string
  Resource: { 'Fn::Sub': string } | { 'Fn::Sub': string }[]
  Condition?: object
}

/** Whether the distribution may read an object, as IAM decides: a Deny wins. */
function canRead(mode: 'releases' | 'classic', key: string): boolean {
  const { BucketPolicy } = bucket(sampleProject({ aws: { mode } })).resources
  const document = BucketPolicy!.Properties!.PolicyDocument as unknown as {
    Statement: Statement[]
  }
  const hits = document.Statement.filter(
    ({ Principal, Action, Resource }) =>
      typeof Principal === 'object' &&
      Action === 's3:GetObject' &&
      [Resource].flat().some(({ 'Fn::Sub': arn }) => matchesGlob(arn, `\${Bucket.Arn}/${key}`)),
  )
  return (
    hits.some(({ Effect }) => Effect === 'Allow') && !hits.some(({ Effect }) => Effect === 'Deny')
  )
}

const OURS = [
  manifestKey('r-1'),
  'code/0a.zip',
  'history.json',
  'locks/deploy.json',
  'places/r-1.json',
]

describe('the bucket', () => {
  it('shows visitors the files of releases and nothing else', () => {
    expect(canRead('releases', `${releaseFolder('r-1')}/index.html`)).toBe(true)
    for (const key of [...OURS, 'index.html']) expect(canRead('releases', key), key).toBe(false)
  })

  it('shows visitors of classic mode all but what deploys keep there', () => {
    for (const key of ['index.html', 'a/b.css']) expect(canRead('classic', key), key).toBe(true)
    for (const key of [...OURS, `${releaseFolder('r-1')}/secret.html`]) {
      expect(canRead('classic', key), key).toBe(false)
      const isReserved = (name: string) =>
        key === name || (/\/$/.test(name) && key.startsWith(name))
      expect(RESERVED_KEYS.some(isReserved), key).toBe(true)
    }
  })

  it('lets in this distribution alone, and nobody without TLS', () => {
    const { BucketPolicy } = bucket(sampleProject()).resources
    const { Statement: statements } = BucketPolicy!.Properties!.PolicyDocument as unknown as {
      Statement: Statement[]
    }
    for (const { Effect, Condition } of statements) {
      expect(JSON.stringify(Condition)).toContain(
        Effect === 'Allow' ? `:distribution/\${Distribution}` : '"aws:SecureTransport":"false"',
      )
    }
  })

  it('and that of logs are private, encrypted, and stay when the stack goes', () => {
    const project = sampleProject({ aws: { logRetentionDays: 7 } })
    const { AccessLogs } = accessLogs(project).fragment.resources
    for (const resource of [bucket(project).resources.Bucket!, AccessLogs!]) {
      expect(resource).toMatchObject({
        DeletionPolicy: 'RetainExceptOnCreate',
        Properties: {
          BucketEncryption: expect.any(Object),
          PublicAccessBlockConfiguration: { BlockPublicAcls: true, RestrictPublicBuckets: true },
        },
      })
    }
    expect(JSON.stringify(AccessLogs)).toContain('"ExpirationInDays":7')
  })
})
