import type { AwsRequest, AwsResponse } from '../../aws/aws-request.ts'
import { AwsError } from '../../aws/errors.ts'
import { formatXml, parseXml, type XmlElement, XmlError } from '../../aws/xml/element.ts'
import { invalidArgument, type Shape } from '../../aws/xml/shape.ts'
import { Fields } from '../../http/fields.ts'

export const NAMESPACE = 'http://cloudfront.amazonaws.com/doc/2020-05-31/'

/** What an operation answers; without an element there is no body. */
export interface Answer {
  status: number
  element?: XmlElement | undefined
  etag?: string
  location?: string
}

/** The body of a request, as XML whose root has that name. Throws `AwsError`. */
export function readBody<T>(request: AwsRequest, root: string, shape: Shape<T>): T {
  if (request.body.length === 0)
    throw new AwsError('MissingBody', 400, `The request has no ${root}.`)
  let element: XmlElement
  try {
    element = parseXml(request.body)
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
    throw new AwsError(
      'MalformedXML',
      400,
      `The request is not XML as it should be: ${error.message}.`,
    )
  }
  if (element.name === root) return shape.read(element, '')
  throw new AwsError('MalformedXML', 400, `The request holds ${element.name}, not ${root}.`)
}

export function respond({ status, element, etag, location }: Answer): AwsResponse {
  const fields = new Fields()
  if (etag !== undefined) fields.set('etag', etag)
  if (location !== undefined) fields.set('location', location)
  if (element === undefined) return { status, fields, body: '' }
  fields.set('content-type', 'text/xml')
  return { status, fields, body: formatXml(element, NAMESPACE) }
}

export interface Page<T> {
  Marker: string
  NextMarker: string | undefined
  MaxItems: number
  IsTruncated: boolean
  Items: readonly T[]
}

/** The part of a list that `Marker`, the id of the last item seen, and `MaxItems` ask for. */
export function page<T>(
  all: readonly T[],
  query: URLSearchParams,
  idOf: (item: T) => string,
  maxPage: number,
): Page<T> {
  const marker = query.get('Marker') ?? ''
  const asked = query.get('MaxItems') ?? String(maxPage)
  if (!/^[1-9]\d{0,8}$/.test(asked)) {
    throw invalidArgument(`MaxItems is "${asked}", not a whole number from 1.`)
  }
  const size = Math.min(Number(asked), maxPage)
  const at = all.findIndex(item => idOf(item) === marker)
  if (marker !== '' && at === -1) {
    throw invalidArgument(`Marker "${marker}" is no item of this list.`)
  }
  const items = all.slice(at + 1, at + 1 + size)
  const isTruncated = at + 1 + items.length < all.length
  const last = items.at(-1)
  return {
    Marker: marker,
    NextMarker: isTruncated && last !== undefined ? idOf(last) : undefined,
    MaxItems: size,
    IsTruncated: isTruncated,
    Items: items,
  }
}
