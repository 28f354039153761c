import { createHash } from 'node:crypto'
import { createContext, Script } from 'node:vm'
import { checkEntry, MAX_STORE_BYTES, storedBytes } from '../store.ts'

// CloudFront's runtime cloudfront-js-2.0 as far as its manual promises it ("JavaScript runtime 2.0
// features for CloudFront Functions"): what is not listed there is not here either.

export interface CloudFrontRequest {
  method: string
  /** As the viewer sent it. */
  uri: string
  querystring: Record<string, unknown>
  headers: Record<string, { value: string }>
  cookies: Record<string, { value: string; attributes?: string }>
}

export interface CloudFrontResponse {
  statusCode: number
  headers: Record<string, { value: string }>
  cookies?: Record<string, { value: string; attributes?: string }>
  body?: string
}

export type FunctionResult =
  /** `origin`: chosen in place of the behavior's. */
  | { kind: 'request'; request: CloudFrontRequest; reads: readonly string[]; origin?: string }
  | { kind: 'response'; response: CloudFrontResponse; reads: readonly string[] }

export interface ViewerFunction {
  onRequest(request: CloudFrontRequest, query: string | undefined): Promise<FunctionResult>
  onResponse(
    request: CloudFrontRequest,
    response: CloudFrontResponse,
  ): Promise<{ response: CloudFrontResponse; reads: readonly string[] }>
}

/** Listed methods of what the runtime has; the others are taken away. */
const LISTED: Record<string, string> = {
  'Object.prototype':
    'constructor hasOwnProperty isPrototypeOf propertyIsEnumerable toString valueOf __proto__ __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__ toLocaleString',
  'String.prototype':
    'constructor length charAt concat indexOf lastIndexOf match replace search slice split substr substring toLowerCase trim toUpperCase codePointAt endsWith includes repeat startsWith padStart padEnd trimStart trimEnd replaceAll toString valueOf charCodeAt',
  'Array.prototype':
    'constructor length concat every filter forEach indexOf join lastIndexOf map pop push reduce reduceRight reverse shift slice some sort splice unshift copyWithin fill find findIndex includes toString',
  'RegExp.prototype':
    'constructor global ignoreCase multiline source sticky flags exec test toString hasIndices dotAll unicode unicodeSets',
  'Function.prototype': 'constructor length name apply bind call toString arguments caller',
  Object:
    'length name prototype create defineProperties defineProperty freeze getOwnPropertyDescriptor getOwnPropertyDescriptors getOwnPropertyNames getPrototypeOf isExtensible isFrozen isSealed keys preventExtensions seal assign entries values',
  Array: 'length name prototype isArray of',
  String: 'length name prototype fromCharCode fromCodePoint',
  Promise: 'length name prototype all allSettled any reject resolve race',
  JSON: 'parse stringify',
}

const GLOBALS =
  'globalThis Object String Number Boolean Math Date RegExp JSON Array Promise Symbol Error EvalError RangeError ReferenceError SyntaxError TypeError URIError decodeURI decodeURIComponent encodeURI encodeURIComponent isFinite isNaN parseFloat parseInt NaN Infinity undefined Function Uint8Array Uint16Array Uint32Array Int8Array Int16Array Int32Array Float32Array Float64Array Uint8ClampedArray ArrayBuffer DataView'

/** What makes a context no more than the runtime, run within it. */
const RESTRICT = `
'use strict';
(globals, listed) => {
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    if (!globals.includes(name)) delete globalThis[name]
  }
  for (const path of Object.keys(listed)) {
    const object = path.split('.').reduce((found, name) => found[name], globalThis)
    for (const name of Object.getOwnPropertyNames(object)) {
      if (!listed[path].includes(name)) delete object[name]
    }
  }
}`

/** What a function was called with and gave, as JSON. */
export interface RecordedCall {
  event: string
  query: string | undefined
  result: string
}

/** Runs the code of a function, with `store` as its KeyValueStore. */
export function loadFunction(
  code: string,
  store: ReadonlyMap<string, string>,
  onCall: (call: RecordedCall) => void = () => {},
): ViewerFunction {
  for (const [key, value] of store) checkEntry(key, value)
  if (storedBytes(store) > MAX_STORE_BYTES) throw new Error('the store has 5 MB')
  let reads: string[] = []
  let origin: string | undefined
  const kvs = {
    async get(key: string) {
      reads.push(key)
      const value = store.get(key)
      if (value === undefined) throw new Error(`no key "${key}"`)
      return value
    },
  }
  const modules: Record<string, unknown> = {
    cloudfront: Object.freeze({
      kvs: () => Object.freeze(kvs),
      selectRequestOriginById: (id: string) => {
        origin = id
      },
    }),
    crypto: Object.freeze({ createHash: (name: string) => createHash(name) }),
  }
  const context = createContext(
    {},
    { codeGeneration: { strings: false, wasm: false }, microtaskMode: undefined as never },
  )
  const restrict = new Script(RESTRICT).runInContext(context) as (
    globals: string[],
    listed: Record<string, string[]>,
  ) => void
  restrict(
    GLOBALS.split(' '),
    Object.fromEntries(Object.entries(LISTED).map(([path, names]) => [path, names.split(' ')])),
  )
  Object.assign(context, {
    atob,
    btoa,
    Buffer: Object.freeze({
      from: (text: string, encoding: BufferEncoding) => Buffer.from(text, encoding),
    }),
  })
  const imported = code.replace(
    /\bimport (\w+) ?from ?["'](\w+)["'];?/g,
    (_, name: string, module: string) => `const ${name}=__modules.${module};`,
  )
  const wrapped = `(function (__modules) {'use strict'; ${imported}\n
    return async (text, query) => {
      const event = JSON.parse(text)
      event.request.rawQueryString = () => query
      return JSON.stringify(await handler(event))
    }
  })`
  const main = new Script(wrapped).runInContext(context)(modules) as (
    event: string,
    query: string | undefined,
  ) => Promise<string>
  const run = async (event: object, query?: string) => {
    reads = []
    origin = undefined
    const given = JSON.stringify({ version: '1.0', ...event })
    const result = await main(given, query)
    onCall({ event: given, query, result })
    return { result: JSON.parse(result), reads, ...(origin !== undefined && { origin }) }
  }
  return {
    async onRequest(request, query) {
      const { result, ...told } = await run(
        { context: { eventType: 'viewer-request' }, request },
        query,
      )
      return typeof result.statusCode === 'number'
        ? { kind: 'response', response: result, reads: told.reads }
        : { kind: 'request', request: result, ...told }
    },
    async onResponse(request, response) {
      const event = { context: { eventType: 'viewer-response' }, request, response }
      const { result, reads } = await run(event)
      return { response: result, reads }
    },
  }
}
