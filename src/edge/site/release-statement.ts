import { Fields } from '../../http/fields.ts'
import type { ViewerResponse } from '../viewer.ts'

/** Where a site says which release it serves. */
export const STATEMENT_PATH = '/.well-known/mokapot/release.json'

/** What is live, for everybody; asked for anew each time, since the next deploy changes it. */
export function statementResponse(statement: string, isHead: boolean): ViewerResponse {
  const bytes = Buffer.from(`${statement}\n`)
  const fields = new Fields()
    .set('content-type', 'application/json; charset=utf-8')
    .set('content-length', String(bytes.byteLength))
    .set('cache-control', 'no-cache')
    .set('access-control-allow-origin', '*')
    .set('x-content-type-options', 'nosniff')
  return { status: 200, fields, body: isHead ? { kind: 'none' } : { kind: 'bytes', bytes } }
}
