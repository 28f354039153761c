import * as v from 'valibot'
import { isToken, isValidField } from '../../http/field-lists.ts'
import {
  isAddableToRequest,
  isRemovableField,
  isSettableField,
} from '../../http/settable-fields.ts'
import { integer, oneOf, text } from '../validators.ts'
import { MISTAKEN_COUNTRIES } from './edge-hints.ts'

const list = <T extends v.GenericSchema>(item: T, problem: string) =>
  v.pipe(v.array(item, problem), v.maxLength(100, 'has more than 100 entries'))

const recordOf = <T extends v.GenericSchema>(
  name: v.GenericSchema<string, string>,
  value: T,
  problem: string,
) => {
  const record = v.pipe(
    v.record(name, value, problem),
    v.maxEntries(100, 'has more than 100 entries'),
  )
  // A list is an object, too, with numbers for names.
  const fitting = (input: unknown) => (Array.isArray(input) ? v.never(problem) : record)
  return v.lazy(fitting as () => typeof record)
}

const YEAR_SECONDS = 31_536_000
const HUNDRED_YEARS_SECONDS = 100 * YEAR_SECONDS
const seconds = integer(0, YEAR_SECONDS)
const timeout = integer(1, 3600)
const errorStatus = integer(400, 599)
const pem = v.pipe(text, v.maxLength(262_144, 'is longer than 256 KiB'))

const fieldName = v.pipe(
  text,
  v.maxLength(128, 'is longer than 128 characters'),
  v.check(isToken, 'is not the name of a header field'),
)
const fieldValue = v.pipe(
  v.string('is not a text'),
  v.maxLength(8192, 'is longer than 8192 characters'),
  v.check(
    value => isValidField('x', value),
    'has a line break, or another character that no header field can have',
  ),
)
const requestFields = recordOf(
  v.pipe(fieldName, v.check(isAddableToRequest, 'is a field that the edge sets itself')),
  fieldValue,
  'is not an object of names and values',
)
const responseFields = recordOf(
  v.pipe(fieldName, v.check(isSettableField, 'is a field that the edge sets itself')),
  fieldValue,
  'is not an object of names and values',
)

const httpOrigin = v.strictObject({
  url: v.pipe(
    text,
    v.check(
      value => /^https?:\/\/[^/?#\s\\]+[^?#\s\\]*$/.test(value) && URL.canParse(value),
      'is not an address such as "https://app.example" or "http://127.0.0.1:3000/v1"',
    ),
    v.check(
      value => !/^[a-z]+:\/\/[^/]*@/.test(value),
      'has a user name in it; a secret goes into headers',
    ),
  ),
  host: v.optional(
    v.lazy(input =>
      typeof input === 'object'
        ? v.strictObject({
            name: v.pipe(text, v.regex(/^[A-Za-z0-9.:[\]_-]{1,255}$/, 'is not the name of a host')),
          })
        : v.picklist(['origin', 'viewer'], "is not 'origin', 'viewer' or { name: 'app.internal' }"),
    ),
  ),
  headers: v.optional(requestFields),
  connectTimeoutSeconds: v.optional(timeout),
  responseTimeoutSeconds: v.optional(timeout),
  idleTimeoutSeconds: v.optional(timeout),
  maxConnections: v.optional(integer(1, 65_536)),
  ca: v.optional(pem),
})

const originGroup = v.strictObject({
  primary: text,
  secondary: text,
  statuses: v.optional(list(errorStatus, 'is not a list of statuses')),
})

const choiceOf = (name: v.GenericSchema<string, string>) => {
  const names = list(name, 'is not a list of names')
  return v.lazy(input =>
    typeof input === 'object'
      ? v.pipe(
          v.strictObject({ only: v.optional(names), allBut: v.optional(names) }),
          v.check(
            ({ only, allBut }) => (only === undefined) !== (allBut === undefined),
            'has not exactly one of only and allBut',
          ),
        )
      : v.picklist(
          ['all', 'none'],
          "is not 'all', 'none', { only: [names] } or { allBut: [names] }",
        ),
  )
}
const choice = choiceOf(
  v.pipe(text, v.regex(/^[^\0-\x1f\x7f]{1,128}$/, 'is not the name of a parameter or cookie')),
)

const cacheKey = v.strictObject({
  query: v.optional(choice),
  cookies: v.optional(choice),
  headers: v.optional(list(fieldName, 'is not a list of names')),
})

const cache = v.strictObject({
  key: v.optional(cacheKey),
  minTtlSeconds: v.optional(seconds),
  defaultTtlSeconds: v.optional(seconds),
  maxTtlSeconds: v.optional(seconds),
  errorTtlSeconds: v.optional(
    v.record(
      v.pipe(v.string(), v.regex(/^[45]\d\d$/, 'is not an error status from 400 to 599')),
      seconds,
      'is not an object such as { 404: 10 }',
    ),
  ),
  staleIfErrorSeconds: v.optional(seconds),
  setCookie: v.optional(oneOf('explicit', 'never')),
  viewerDirectives: v.optional(oneOf('ignored', 'obeyed')),
  maxBodyBytes: v.optional(integer(0, 64 * 1024 * 1024)),
})

const forward = v.strictObject({
  query: v.optional(choice),
  cookies: v.optional(choice),
  headers: v.optional(choiceOf(fieldName)),
})

const responseHeaders = v.strictObject({
  remove: v.optional(
    list(
      v.pipe(fieldName, v.check(isRemovableField, 'is a field that cannot be left out')),
      'is not a list of names',
    ),
  ),
  set: v.optional(responseFields),
  add: v.optional(responseFields),
  security: v.optional(v.boolean('is not true or false')),
})

const errorPage = v.strictObject({
  status: errorStatus,
  page: v.optional(
    v.pipe(
      text,
      v.regex(/^\/[^\0-\x1f\x7f]{1,1023}$/, 'is not the path of a file such as "/errors/502.html"'),
    ),
  ),
  responseStatus: v.optional(
    v.pipe(
      v.number('is not a number'),
      v.check(
        value => value === 200 || (Number.isInteger(value) && value >= 400 && value <= 599),
        'is not 200, nor a whole number from 400 to 599',
      ),
    ),
  ),
  ttlSeconds: v.optional(seconds),
})

const countryCodes = v.pipe(
  v.array(
    v.pipe(
      text,
      v.regex(/^[A-Z]{2}$/, 'is not a country code such as "DE", two letters in upper case'),
      v.check(code => !(code in MISTAKEN_COUNTRIES), 'is not in ISO 3166-1'),
    ),
    'is not a list of country codes',
  ),
  v.minLength(1, 'names no country'),
  v.maxLength(300, 'has more than 300 entries'),
)

const behavior = v.strictObject({
  pattern: v.pipe(
    text,
    v.maxLength(255, 'is longer than 255 characters'),
    v.regex(/^[^\0-\x1f\x7f]+$/, 'has a character that no path has'),
    v.check(
      value => !/^[a-z]+:\/\//.test(value),
      'is an address, and not the path in it such as "/api/*"',
    ),
  ),
  origin: text,
  methods: v.optional(oneOf('read', 'read-and-options', 'all')),
  cache: v.optional(cache),
  forward: v.optional(forward),
  compress: v.optional(v.boolean('is not true or false')),
  responseHeaders: v.optional(responseHeaders),
  viewerProtocol: v.optional(oneOf('allow-all', 'redirect-to-https', 'https-only')),
  errorPages: v.optional(list(errorPage, 'is not a list of pages')),
  rateLimit: v.optional(text),
  countries: v.optional(
    v.pipe(
      v.strictObject({ only: v.optional(countryCodes), allBut: v.optional(countryCodes) }),
      v.check(
        ({ only, allBut }) => (only === undefined) !== (allBut === undefined),
        'has not exactly one of only and allBut',
      ),
    ),
  ),
  signedBy: v.optional(
    v.pipe(list(text, 'is not a list of names of keys'), v.minLength(1, 'names no key')),
  ),
})

const hsts = v.strictObject({
  maxAgeSeconds: integer(0, HUNDRED_YEARS_SECONDS),
  includeSubDomains: v.optional(v.boolean('is not true or false')),
  preload: v.optional(v.boolean('is not true or false')),
})

/** The fields of a configuration that the edge acts upon. */
export const edgeEntries = {
  origins: v.optional(
    recordOf(
      v.pipe(
        text,
        v.regex(
          /^[A-Za-z][\w.-]{0,127}$/,
          'is not the name of an origin: letters, digits, "-", "_", "."',
        ),
        v.check(name => name !== 'site', "is the name of the project's own files and functions"),
      ),
      v.lazy(input => (isGroup(input) ? originGroup : httpOrigin)),
      'is not an object of origins by name',
    ),
  ),
  behaviors: v.optional(
    v.pipe(
      v.array(behavior, 'is not a list of behaviors'),
      v.maxLength(250, 'has more than 250 entries'),
    ),
  ),
  signingKeys: v.optional(
    recordOf(
      v.pipe(
        text,
        v.regex(/^[\w.-]{1,128}$/, 'is not the name of a key: letters, digits, "-", "_", "."'),
      ),
      pem,
      'is not an object of keys by name',
    ),
  ),
  hsts: v.optional(hsts),
}

function isGroup(input: unknown): boolean {
  return typeof input === 'object' && input !== null && ('primary' in input || 'secondary' in input)
}

/** Every field in them, for hints. */
export const EDGE_FIELDS: readonly string[] = [
  ...[httpOrigin, originGroup, behavior, cache, cacheKey, forward, responseHeaders].flatMap(
    ({ entries }) => Object.keys(entries),
  ),
  ...[errorPage, hsts].flatMap(({ entries }) => Object.keys(entries)),
  ...Object.keys(edgeEntries),
  'only',
  'allBut',
]

/** What other CDNs call it. */
export const FOREIGN_FIELDS: Readonly<Record<string, string>> = {
  path: 'pattern',
  pathPattern: 'pattern',
  target: 'origin',
  targetOriginId: 'origin',
  allowedMethods: 'methods',
  viewerProtocolPolicy: 'viewerProtocol',
  cachePolicy: 'cache',
  responseHeadersPolicy: 'responseHeaders',
  customErrorResponses: 'errorPages',
  trustedKeyGroups: 'signedBy',
  geoRestriction: 'countries',
  domainName: 'url',
  timeoutSeconds: 'responseTimeoutSeconds',
  ttl: 'defaultTtlSeconds',
  ttlSeconds: 'defaultTtlSeconds',
  maxAge: 'maxAgeSeconds',
  includeSubdomains: 'includeSubDomains',
}
