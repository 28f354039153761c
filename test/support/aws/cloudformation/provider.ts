import { randomBytes } from 'node:crypto'
import { parseXml, Refused } from '../answer.ts'
import type { EdgeFunctions } from '../edge-functions.ts'
import type { KeyValueStores } from '../key-value-stores.ts'
import type { Policies } from '../policies.ts'
import type { Json } from './template.ts'

/** Who makes resources: moto, and the stand-in's own services. */
export interface Behind {
  moto: string
  keyValueStores: KeyValueStores
  edgeFunctions: EdgeFunctions
  policies: Policies
}

export interface Context extends Behind {
  region: string
  stackName: string
  logicalId: string
  /** Of the stack; CloudFormation puts them on what it makes. */
  tags: Readonly<Record<string, string>>
}

export interface Made {
  /** What `Ref` gives. */
  id: string
  /** What `Fn::GetAtt` gives. */
  attributes: Record<string, Json>
}

export interface Provider {
  create(properties: Json, context: Context): Promise<Made>
  /** Without one, what is made stays as it was made. */
  update?(made: Made, properties: Json, before: Json, context: Context): Promise<Made>
  delete?(made: Made, context: Context, properties: Json): Promise<void>
  /** Called before `delete` where the template says so. */
  snapshot?(made: Made, context: Context): Promise<void>
}

/** How every client of the stand-in speaks to moto. */
export const clientOptions = ({ moto, region }: Pick<Context, 'moto' | 'region'>) => ({
  endpoint: moto,
  region,
  credentials: { accessKeyId: 'AKIASTANDIN', secretAccessKey: 'secret' },
  maxAttempts: 1,
  requestChecksumCalculation: 'WHEN_REQUIRED' as const,
})

/** A name as CloudFormation makes one. */
export function madeName({ stackName, logicalId }: Context, most = 64): string {
  const suffix = `-${logicalId}-${randomBytes(6).toString('hex').toUpperCase()}`
  return `${stackName.slice(0, most - suffix.length)}${suffix}`
}

/** `{Key, Value}` of the resource and the stack, as most services have them. */
export function tagsOf(properties: Json, { tags }: Context): { Key: string; Value: string }[] {
  const all = { ...tags }
  for (const { Key, Value } of properties.Tags ?? []) all[Key] = Value
  return Object.entries(all).map(([Key, Value]) => ({ Key, Value }))
}

/** A call of a service whose client the project does not have: parameters in a form. */
export async function askQuery(
  context: Context,
  service: string,
  version: string,
  parameters: Record<string, string>,
): Promise<Json> {
  const answer = await fetch(`${context.moto}/`, {
    method: 'POST',
    headers: unsigned(service, context.region, 'application/x-www-form-urlencoded'),
    body: new URLSearchParams({ Version: version, ...parameters }),
  })
  const text = await answer.text()
  if (!answer.ok) {
    throw new Refused(
      /<Code>([^<]*)/.exec(text)?.[1] ?? 'InternalFailure',
      /<Message>([^<]*)/.exec(text)?.[1] ?? text,
    )
  }
  return Object.values(parseXml(text)).at(-1)
}

/** The same, in JSON. */
export async function askJson(
  context: Context,
  service: string,
  method: string,
  path: string,
  body?: Json,
): Promise<Json> {
  const answer = await fetch(`${context.moto}${path}`, {
    method,
    headers: unsigned(service, context.region, 'application/json'),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  const read = text === '' ? {} : JSON.parse(text)
  if (!answer.ok) throw new Refused(read.__type ?? 'BadRequest', read.message ?? text)
  return read
}

/** moto reads of a signature what service is meant, and no more. */
const unsigned = (service: string, region: string, type: string) => ({
  'content-type': type,
  authorization: `AWS4-HMAC-SHA256 Credential=AKIASTANDIN/20260101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`,
})
