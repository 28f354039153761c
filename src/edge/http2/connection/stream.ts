import type { ObservedExchange } from '../../logs/traffic-observer.ts'
import type { RequestBody } from '../messages/request-body.ts'
import type { Http2ViewerRequest } from '../messages/viewer-request.ts'
import type { OutgoingBody } from '../sending/outgoing-body.ts'

/** One request and its response (RFC 9113 §5). Streams that are closed are forgotten. */
export class Http2Stream {
  readonly id: number
  /** What the peer lets us send; may be negative after it changed its mind (§6.9.2). */
  sendWindow: number
  /** What we let the peer send. */
  receiveWindow: number
  /** Read from the request body and not given back to the peer as window yet. */
  consumedBytes = 0
  /** The peer has said all. */
  isRemoteClosed: boolean
  isClosed = false
  /** The response is written to its end. */
  isAnswered = false
  /** Since when, once it is answered, the rest of the request is waited for; and up to what. */
  lingeringSinceMs = 0
  lingerUntilBytes = 0
  /** Of the body, as Content-Length promised. */
  expectedBytes: number | undefined
  /** The header fields of the response are written. */
  hasResponded = false
  request: Http2ViewerRequest | undefined
  body: RequestBody | undefined
  outgoing: OutgoingBody | undefined
  /** Hears how it ends. */
  exchange: ObservedExchange | undefined
  /** Octets of the response's header block. */
  headBytes = 0
  /** Waits for its turn to send. */
  isQueued = false
  /** Octets of body in each direction, and what they were when progress was last looked at. */
  sentBytes = 0
  receivedBytes = 0
  checkedBytes = 0
  checkedAtMs = 0

  constructor(id: number, isRemoteClosed: boolean, sendWindow: number, receiveWindow: number) {
    this.id = id
    this.isRemoteClosed = isRemoteClosed
    this.sendWindow = sendWindow
    this.receiveWindow = receiveWindow
  }
}
