import { XMLBuilder, XMLParser } from 'fast-xml-parser'

/** What a service answers, whole. */
export interface Answer {
  status: number
  headers?: Readonly<Record<string, string>>
  body?: string | Buffer
}

/** Refused as AWS does: `code` is what clients know an error by. */
export class Refused extends Error {
  readonly code: string
  readonly status: number

  constructor(code: string, message: string, status = 400) {
    super(message)
    this.code = code
    this.status = status
  }
}

const builder = new XMLBuilder({ ignoreAttributes: false, attributeNamePrefix: '@' })
const parser = new XMLParser({ ignoreAttributes: true, parseTagValue: false, trimValues: false })

export function xml(
  status: number,
  content: object,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status,
    headers: { 'content-type': 'text/xml', ...headers },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${builder.build(content)}`,
  }
}

/** Text of elements as strings, an element that stands twice as an array. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the client has sent
export function parseXml(text: string): any {
  return parser.parse(text)
}

export function json(
  status: number,
  content: unknown,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(content),
  }
}

const JSON_SERVICES = ['lambda', 'cloudfront-keyvaluestore', 'apigateway', 'dsql']

/** An error in the words of the service's protocol. */
export function refusal(
  service: string,
  isJson: boolean,
  { code, message, status }: Refused,
): Answer {
  const requestId = { 'x-amzn-requestid': '00000000-0000-4000-8000-000000000000' }
  if (isJson || JSON_SERVICES.includes(service)) {
    const body = { __type: code, message, Message: message }
    return json(status, body, { 'x-amzn-errortype': code, ...requestId })
  }
  const error = { Code: code, Message: message }
  if (service === 's3') return xml(status, { Error: error }, { 'x-amz-request-id': 'STANDIN' })
  if (service === 'ec2') return xml(status, { Response: { Errors: { Error: error } } }, requestId)
  return xml(status, { ErrorResponse: { Error: { Type: 'Sender', ...error } } }, requestId)
}
