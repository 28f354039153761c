import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What a log needs of a file system; a test puts a slow or a full one in its place. */
export interface LogFiles {
  /** To append to; made with its folder where it is not there. */
  open(path: string): Promise<OpenLog>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** What tells files apart; undefined where there is none. */
  identityOf(path: string): Promise<string | undefined>
}

export interface OpenLog {
  readonly identity: string
  readonly sizeBytes: number
  /** When it was made, milliseconds since the epoch. */
  readonly createdMs: number
  /** Whether its last line has no end: whoever wrote it died meanwhile. */
  readonly isTorn: boolean
  /** Resolves with how many bytes were written, which may be fewer. */
  write(bytes: Uint8Array): Promise<number>
  close(): Promise<void>
}

const NEWLINE = 10

/** Who asked for what is for the owner's eyes only. */
const MODE = 0o600

export const systemLogFiles: LogFiles = {
  async open(path) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(path, 'a+', MODE)
    const { size, ino, dev, birthtimeMs } = await file.stat()
    const last = Buffer.alloc(1)
    if (size > 0) await file.read(last, 0, 1, size - 1)
    return {
      identity: `${dev}:${ino}`,
      sizeBytes: size,
      createdMs: birthtimeMs,
      isTorn: size > 0 && last[0] !== NEWLINE,
      write: async bytes => (await file.write(bytes)).bytesWritten,
      close: () => file.close(),
    }
  },
  rename,
  remove: path => rm(path, { force: true }),
  async identityOf(path) {
    const found = await stat(path).catch(() => undefined)
    return found && `${found.dev}:${found.ino}`
  },
}
