// The W3C extended log format as CloudFront writes its standard logs: the same fields in the same
// order, values percent-encoded, separated by tabs.
// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html

import { flat } from './flat.ts'
import type { LineFormat, ResponseFacts, ViewerFacts } from './line-format.ts'
import { TimeText } from './time-text.ts'

export const CLOUDFRONT_FIELDS =
  'date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) ' +
  'cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header ' +
  'cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher ' +
  'x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port ' +
  'time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start ' +
  'sc-range-end'

/** The fields between those that differ from line to line, in their order. */
interface Viewer {
  addressMethodHost: string
  referrerAgent: string
  hostProtocolBytes: string
  tls: string
  versionPort: string
}

interface Response {
  status: string
  cookieResult: string
  responseResult: string
  detailAndContent: string
}

export function w3cExtended(edgeId: string): LineFormat<Viewer, Response> {
  const time = new TimeText()
  let begin = ''
  return {
    extension: 'log',
    head: `#Version: 1.0\n#Fields: ${CLOUDFRONT_FIELDS}\n`,
    viewer: formatViewer,
    response: formatResponse,
    line({ endedMs, requestId, target, bytes, durationMs, firstByteMs }, viewer, response) {
      if (time.set(endedMs)) begin = flat(`${time.date}\t${time.time}\t${encode(edgeId)}\t`)
      const question = target.indexOf('?')
      const stem = encode(question === -1 ? target : target.slice(0, question))
      const query = question === -1 ? '-' : encode(target.slice(question + 1))
      return (
        begin +
        bytes +
        viewer.addressMethodHost +
        stem +
        response.status +
        viewer.referrerAgent +
        query +
        response.cookieResult +
        requestId +
        viewer.hostProtocolBytes +
        seconds(durationMs) +
        viewer.tls +
        response.responseResult +
        viewer.versionPort +
        seconds(firstByteMs) +
        response.detailAndContent
      )
    },
    // A directive of the format for what is to be ignored.
    gap: lines => `#Remark: ${lines} lines were dropped here\n`,
  }
}

function formatViewer(facts: ViewerFacts): Viewer {
  const host = encode(facts.host)
  const forwardedFor = encode(facts.forwardedFor)
  return {
    addressMethodHost: flat(`\t${facts.client || '-'}\t${encode(facts.method)}\t${host}\t`),
    referrerAgent: flat(`\t${encode(facts.referrer)}\t${encode(facts.userAgent)}\t`),
    // What a viewer sent is not counted.
    hostProtocolBytes: flat(`\t${host}\t${facts.isSecure ? 'https' : 'http'}\t-\t`),
    tls: flat(`\t${forwardedFor}\t${encode(facts.tlsVersion)}\t${encode(facts.tlsCipher)}\t`),
    // There is no field-level encryption.
    versionPort: flat(`\t${facts.protocol}\t-\t-\t${facts.port ?? '-'}\t`),
  }
}

function formatResponse(facts: ResponseFacts): Response {
  const [, start = '-', end = '-'] = /^bytes (\d+)-(\d+)\//.exec(facts.contentRange ?? '') ?? []
  const content = `${encode(facts.contentType)}\t${encode(facts.contentLength)}`
  return {
    status: `\t${String(facts.status).padStart(3, '0')}`,
    // Cookies are never logged.
    cookieResult: `\t-\t${facts.result}\t`,
    responseResult: facts.responseResult,
    detailAndContent: flat(`\t${facts.detail}\t${content}\t${start}\t${end}\n`),
  }
}

/** To the thousandth, as CloudFront writes them. */
function seconds(milliseconds: number): string {
  return milliseconds === 0 ? '0.000' : (milliseconds / 1000).toFixed(3)
}

/** What has to be encoded, as CloudFront's documentation lists it. */
const ENCODED = /[\x00-\x20\x7f-\uffff<>"#%{}|\\^~[\]`']/
const EACH_ENCODED = new RegExp(ENCODED.source, 'g')

/** A value as a field; a hyphen where there is none. Characters are octets. */
function encode(value: string | undefined): string {
  if (value === undefined || value === '') return '-'
  if (!ENCODED.test(value)) return value
  return value.replace(EACH_ENCODED, char => percent(char.charCodeAt(0)))
}

function percent(code: number): string {
  return `%${(code & 0xff).toString(16).toUpperCase().padStart(2, '0')}`
}
