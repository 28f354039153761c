/** A call to AWS, as the signature and the protocol name it. */
export interface Operation {
  /** As signatures name it: `s3`, `lambda`, `cloudfront`, `cloudfront-keyvaluestore`, … */
  service: string
  /** `PutObject`; what the tables below lack reads `GET /path`. */
  name: string
  region: string
  /** Empty where nothing is signed. */
  accessKeyId: string
}

export interface Asked {
  method: string
  /** Path and query, as sent. */
  url: string
  headers: Readonly<Record<string, string | string[] | undefined>>
}

/** What is asked. `form` is the body where it may be one: it names the operation of older services. */
export function identify(asked: Asked, form = ''): Operation {
  const scope = scopeOf(asked)
  return { ...scope, name: nameOf(scope.service, asked, form) }
}

/** Whose call it is, which the headers alone tell. */
export function scopeOf(asked: Asked): Omit<Operation, 'name'> {
  const authorization = String(asked.headers.authorization ?? '')
  const credential =
    /Credential=([^,\s]+)/.exec(authorization)?.[1] ??
    new URLSearchParams(asked.url.split('?')[1] ?? '').get('X-Amz-Credential') ??
    ''
  const parts = credential.split('/')
  // Signed for all regions at once (SigV4a), a scope has none.
  const [region, service] = parts.length === 4 ? ['*', parts[2]] : [parts[2], parts[3]]
  return { accessKeyId: parts[0] ?? '', region: region ?? 'us-east-1', service: service ?? 's3' }
}

function nameOf(service: string, { method, url, headers }: Asked, form: string): string {
  const target = headers['x-amz-target']
  if (typeof target === 'string') return target.split('.').at(-1) ?? ''
  const [path = '', query = ''] = url.split('?')
  const search = new URLSearchParams(query)
  const action = search.get('Action') ?? /(?:^|&)Action=(\w+)/.exec(form)?.[1]
  if (action !== undefined) return action
  if (service === 's3') return search.get('x-id') ?? s3Name(method, path, search, headers)
  const row = REST[service]?.find(([verb, pattern]) => verb === method && pattern.test(path))
  return row === undefined ? `${method} ${path}` : row[2]
}

function s3Name(
  method: string,
  path: string,
  search: URLSearchParams,
  headers: Asked['headers'],
): string {
  const isObject = /^\/[^/]+\/./.test(path)
  const isCopy = headers['x-amz-copy-source'] !== undefined
  if (search.has('uploads'))
    return method === 'POST' ? 'CreateMultipartUpload' : 'ListMultipartUploads'
  if (search.has('uploadId')) {
    if (method === 'PUT') return isCopy ? 'UploadPartCopy' : 'UploadPart'
    if (method === 'GET') return 'ListParts'
    return method === 'POST' ? 'CompleteMultipartUpload' : 'AbortMultipartUpload'
  }
  if (isObject && !search.has('tagging') && !search.has('acl')) {
    if (isCopy) return 'CopyObject'
    return `${{ GET: 'Get', HEAD: 'Head', PUT: 'Put', DELETE: 'Delete' }[method] ?? method}Object`
  }
  if (method === 'POST' && search.has('delete')) return 'DeleteObjects'
  if (search.has('list-type')) return 'ListObjectsV2'
  if (search.has('versions')) return 'ListObjectVersions'
  const verb = { GET: 'Get', HEAD: 'Head', PUT: 'Put', DELETE: 'Delete' }[method] ?? method
  const part = [...search.keys()].find(key => key !== 'x-id')
  if (part !== undefined) {
    return `${verb}${isObject ? 'Object' : 'Bucket'}${part.slice(0, 1).toUpperCase()}${part.slice(1)}`
  }
  if (path === '/') return 'ListBuckets'
  return { GET: 'ListObjects', HEAD: 'HeadBucket', PUT: 'CreateBucket' }[method] ?? `${verb}Bucket`
}

type Row = readonly [method: string, path: RegExp, operation: string]

const fn = String.raw`^/[\d-]+/functions/[^/]+`
const LAMBDA: readonly Row[] = [
  ['POST', /^\/[\d-]+\/functions\/?$/, 'CreateFunction'],
  ['GET', /^\/[\d-]+\/functions\/?$/, 'ListFunctions'],
  ['GET', new RegExp(`${fn}/?$`), 'GetFunction'],
  ['DELETE', new RegExp(`${fn}/?$`), 'DeleteFunction'],
  ['PUT', new RegExp(`${fn}/code$`), 'UpdateFunctionCode'],
  ['PUT', new RegExp(`${fn}/configuration$`), 'UpdateFunctionConfiguration'],
  ['GET', new RegExp(`${fn}/configuration$`), 'GetFunctionConfiguration'],
  ['POST', new RegExp(`${fn}/versions$`), 'PublishVersion'],
  ['GET', new RegExp(`${fn}/versions$`), 'ListVersionsByFunction'],
  ['POST', new RegExp(`${fn}/aliases$`), 'CreateAlias'],
  ['GET', new RegExp(`${fn}/aliases$`), 'ListAliases'],
  ['GET', new RegExp(`${fn}/aliases/`), 'GetAlias'],
  ['PUT', new RegExp(`${fn}/aliases/`), 'UpdateAlias'],
  ['DELETE', new RegExp(`${fn}/aliases/`), 'DeleteAlias'],
  ['POST', new RegExp(`${fn}/invocations$`), 'Invoke'],
  ['PUT', new RegExp(`${fn}/concurrency$`), 'PutFunctionConcurrency'],
  ['GET', new RegExp(`${fn}/concurrency$`), 'GetFunctionConcurrency'],
  ['DELETE', new RegExp(`${fn}/concurrency$`), 'DeleteFunctionConcurrency'],
  ['POST', new RegExp(`${fn}/policy$`), 'AddPermission'],
  ['GET', new RegExp(`${fn}/policy$`), 'GetPolicy'],
  ['DELETE', new RegExp(`${fn}/policy/`), 'RemovePermission'],
  ['POST', new RegExp(`${fn}/url$`), 'CreateFunctionUrlConfig'],
  ['GET', new RegExp(`${fn}/url$`), 'GetFunctionUrlConfig'],
  ['DELETE', new RegExp(`${fn}/url$`), 'DeleteFunctionUrlConfig'],
  ['GET', /^\/[\d-]+\/account-settings\/?$/, 'GetAccountSettings'],
]

/** Collections of CloudFront: what stands behind the version, and the word in the operations. */
const COLLECTIONS: readonly [path: string, word: string, plural: string][] = [
  ['distribution', 'Distribution', 'Distributions'],
  ['function', 'Function', 'Functions'],
  ['key-value-store', 'KeyValueStore', 'KeyValueStores'],
  ['cache-policy', 'CachePolicy', 'CachePolicies'],
  ['origin-request-policy', 'OriginRequestPolicy', 'OriginRequestPolicies'],
  ['response-headers-policy', 'ResponseHeadersPolicy', 'ResponseHeadersPolicies'],
  ['origin-access-control', 'OriginAccessControl', 'OriginAccessControls'],
]
const CLOUDFRONT: readonly Row[] = COLLECTIONS.flatMap(([path, word, plural]): Row[] => {
  const one = `^/2020-05-31/${path}/[^/]+`
  const read = path === 'key-value-store' ? 'Describe' : 'Get'
  return [
    ['POST', new RegExp(`^/2020-05-31/${path}$`), `Create${word}`],
    ['GET', new RegExp(`^/2020-05-31/${path}$`), `List${plural}`],
    ['GET', new RegExp(`${one}$`), `${read}${word}`],
    ['GET', new RegExp(`${one}/config$`), `Get${word}Config`],
    ['GET', new RegExp(`${one}/describe$`), `Describe${word}`],
    ['PUT', new RegExp(`${one}(?:/config)?$`), `Update${word}`],
    ['POST', new RegExp(`${one}/publish$`), `Publish${word}`],
    ['POST', new RegExp(`${one}/test$`), `Test${word}`],
    ['DELETE', new RegExp(`${one}$`), `Delete${word}`],
    ['POST', new RegExp(`${one}/invalidation$`), 'CreateInvalidation'],
    ['GET', new RegExp(`${one}/invalidation$`), 'ListInvalidations'],
    ['GET', new RegExp(`${one}/invalidation/`), 'GetInvalidation'],
  ]
})

const ROUTE53: readonly Row[] = [
  ['POST', /^\/2013-04-01\/hostedzone$/, 'CreateHostedZone'],
  ['GET', /^\/2013-04-01\/hostedzone$/, 'ListHostedZones'],
  ['GET', /^\/2013-04-01\/hostedzonesbyname$/, 'ListHostedZonesByName'],
  ['GET', /^\/2013-04-01\/hostedzone\/[^/]+$/, 'GetHostedZone'],
  ['DELETE', /^\/2013-04-01\/hostedzone\/[^/]+$/, 'DeleteHostedZone'],
  ['POST', /\/rrset\/?$/, 'ChangeResourceRecordSets'],
  ['GET', /\/rrset\/?$/, 'ListResourceRecordSets'],
  ['GET', /\/change\/[^/]+$/, 'GetChange'],
  ['GET', /\/dnssec$/, 'GetDNSSEC'],
  ['POST', /\/enable-dnssec$/, 'EnableHostedZoneDNSSEC'],
  ['POST', /\/disable-dnssec$/, 'DisableHostedZoneDNSSEC'],
  ['POST', /\/keysigningkey\/[^/]+\/[^/]+\/deactivate$/, 'DeactivateKeySigningKey'],
  ['DELETE', /\/keysigningkey\/[^/]+\/[^/]+$/, 'DeleteKeySigningKey'],
]

const kvs = '^/key-value-stores/[^/]+'
const KEY_VALUE_STORE: readonly Row[] = [
  ['GET', new RegExp(`${kvs}$`), 'DescribeKeyValueStore'],
  ['GET', new RegExp(`${kvs}/keys$`), 'ListKeys'],
  ['POST', new RegExp(`${kvs}/keys$`), 'UpdateKeys'],
  ['GET', new RegExp(`${kvs}/keys/.`), 'GetKey'],
  ['PUT', new RegExp(`${kvs}/keys/.`), 'PutKey'],
  ['DELETE', new RegExp(`${kvs}/keys/.`), 'DeleteKey'],
]

/** Services whose operations are a method and a path. */
const REST: Readonly<Record<string, readonly Row[]>> = {
  lambda: LAMBDA,
  cloudfront: CLOUDFRONT,
  route53: ROUTE53,
  'cloudfront-keyvaluestore': KEY_VALUE_STORE,
}
