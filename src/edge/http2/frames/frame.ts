/** Octets before each payload (RFC 9113 §4.1). */
export const FRAME_HEADER_BYTES = 9

/** What everybody must accept, and what we accept (§4.2). */
export const DEFAULT_MAX_FRAME_BYTES = 16_384

export const MAX_WINDOW = 0x7fff_ffff
export const MAX_STREAM_ID = 0x7fff_ffff

/** RFC 9113 §6. */
export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
} as const

export const Flag = {
  /** DATA, HEADERS. */
  END_STREAM: 0x1,
  /** SETTINGS, PING. */
  ACK: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const

/** Deprecated since RFC 9113; read, and not followed. */
export interface Priority {
  isExclusive: boolean
  dependsOn: number
  /** As sent: one less than the weight meant. */
  weight: number
}

/** `paddingBytes` undefined: not padded, which differs from padded with 0 by an octet. */
export type Frame =
  | {
      type: 'data'
      streamId: number
      endStream: boolean
      data: Uint8Array
      paddingBytes: number | undefined
    }
  | {
      type: 'headers'
      streamId: number
      endStream: boolean
      endHeaders: boolean
      priority: Priority | undefined
      block: Uint8Array
      paddingBytes: number | undefined
    }
  | { type: 'priority'; streamId: number; priority: Priority }
  | { type: 'rst-stream'; streamId: number; code: number }
  | {
      type: 'settings'
      isAck: boolean
      settings: readonly (readonly [id: number, value: number])[]
    }
  | {
      type: 'push-promise'
      streamId: number
      promisedId: number
      endHeaders: boolean
      block: Uint8Array
      paddingBytes: number | undefined
    }
  | { type: 'ping'; isAck: boolean; opaque: Uint8Array }
  | { type: 'goaway'; lastStreamId: number; code: number; debug: Uint8Array }
  | { type: 'window-update'; streamId: number; increment: number }
  | { type: 'continuation'; streamId: number; endHeaders: boolean; block: Uint8Array }
  /** To be ignored (§5.5). */
  | { type: 'unknown'; typeCode: number; flags: number; streamId: number; payload: Uint8Array }
