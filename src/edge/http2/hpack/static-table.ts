import { HeaderField } from './header-field.ts'

/** RFC 7541 appendix A, from index 1 on: `name` or `name: value`. */
const ROWS = `:authority
:method: GET
:method: POST
:path: /
:path: /index.html
:scheme: http
:scheme: https
:status: 200
:status: 204
:status: 206
:status: 304
:status: 400
:status: 404
:status: 500
accept-charset
accept-encoding: gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`

/** Index 0 is a hole: HPACK counts from 1. */
export const STATIC_TABLE: readonly (HeaderField | undefined)[] = [
  undefined,
  ...ROWS.split('\n').map(row => {
    const [name = '', value = ''] = row.split(/(?<=.): /)
    return new HeaderField(name, value)
  }),
]

/** Entries of the static table; the dynamic one begins after it. */
export const STATIC_COUNT = STATIC_TABLE.length - 1

const byName = new Map<string, number>()
const byField = new Map<string, number>()
for (const [index, field] of STATIC_TABLE.entries()) {
  if (field === undefined) continue
  if (!byName.has(field.name)) byName.set(field.name, index)
  if (field.value !== '') byField.set(`${field.name}\n${field.value}`, index)
}

/** Index of the first entry with that name, or 0. */
export function findStaticName(name: string): number {
  return byName.get(name) ?? 0
}

/** Index of the entry with that name and value, or 0. */
export function findStaticField(name: string, value: string): number {
  return byField.get(`${name}\n${value}`) ?? 0
}
