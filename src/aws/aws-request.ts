import type { Fields } from '../http/fields.ts'

/** A request to one of the AWS doors, read to its end. */
export interface AwsRequest {
  method: string
  /** As it came, with its query: signatures are made over these very octets. */
  target: string
  fields: Fields
  body: Uint8Array
}

export interface AwsResponse {
  status: number
  fields: Fields
  body: string
}

/** The path and the query, without its "?", of a request target. */
export function splitTarget(target: string): { path: string; query: string } {
  const question = target.indexOf('?')
  if (question === -1) return { path: target, query: '' }
  return { path: target.slice(0, question), query: target.slice(question + 1) }
}
