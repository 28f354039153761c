import { Readable } from 'node:stream'
import type { Fields } from '../../../http/fields.ts'
import { ViewerLeave, type ViewerRequest } from '../../viewer.ts'
import type { RequestBody } from './request-body.ts'
import { type RequestHead, toFields } from './request-head.ts'

export interface RequestContext {
  peerAddress: string
  isSecure: boolean
  body: RequestBody | undefined
  /** The viewer waits for leave to send the body. */
  sendContinue(): void
  sendInterim(status: number, fields: Fields): void
}

/** An HTTP/2 request as the edge sees requests. */
export class Http2ViewerRequest implements ViewerRequest {
  readonly method: string
  readonly target: string
  readonly version = '2'
  readonly #head: RequestHead
  readonly #context: RequestContext
  #fields: Fields | undefined
  readonly #leave = new ViewerLeave()

  constructor(head: RequestHead, context: RequestContext) {
    this.method = head.method
    this.target = head.target
    this.#head = head
    this.#context = context
  }

  get peerAddress(): string {
    return this.#context.peerAddress
  }

  get isSecure(): boolean {
    return this.#context.isSecure
  }

  get hasBody(): boolean {
    return this.#context.body !== undefined
  }

  get fields(): Fields {
    this.#fields ??= toFields(this.#head)
    return this.#fields
  }

  get signal(): AbortSignal {
    return this.#leave.signal
  }

  takeBody(): Readable {
    const { body } = this.#context
    if (body === undefined) return Readable.from([])
    if (/^100-continue$/i.test(this.fields.get('expect') ?? '')) this.#context.sendContinue()
    return body.take()
  }

  sendInterim(status: number, fields: Fields): void {
    this.#context.sendInterim(status, fields)
  }

  /** The viewer is gone. */
  abort(): void {
    this.#leave.happen()
  }
}
