import { ConnectionError, ErrorCode } from './errors.ts'
import { MAX_WINDOW } from './frame.ts'

/** RFC 9113 §6.5.2, RFC 9218 §2.1. */
export const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  NO_RFC7540_PRIORITIES: 0x9,
} as const

/** Throws `ConnectionError` for a value that its setting cannot have; unknown ones may be anything. */
export function checkSetting(id: number, value: number): void {
  switch (id) {
    case Setting.ENABLE_PUSH:
    case Setting.NO_RFC7540_PRIORITIES:
      if (value > 1) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `setting ${id} is no flag`)
      break
    case Setting.INITIAL_WINDOW_SIZE:
      if (value > MAX_WINDOW) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, 'initial window is too large')
      }
      break
    case Setting.MAX_FRAME_SIZE:
      if (value < 16_384 || value > 0xff_ffff) {
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, 'maximum frame size is out of range')
      }
  }
}
