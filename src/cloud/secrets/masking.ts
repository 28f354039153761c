import { Transform } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import type { LogStore } from '../../functions/logs/log-store.ts'
import type { FunctionLogEntry } from '../../functions/version.ts'
import type { Logger } from '../../shared/logger.ts'
import type { Masker } from '../../shared/masking/masker.ts'

/**
 * Function logs without secrets: they are taken out before anything is written or handed to a
 * follower, and again when it is read, for a secret may be set after it was logged.
 */
export function maskLogs(logs: LogStore, maskerOf: (project: string) => Masker): LogStore {
  const mask = (entry: FunctionLogEntry) => {
    const text = maskerOf(entry.project).mask(entry.text)
    return text === entry.text ? entry : { ...entry, text }
  }
  return {
    write: entry => logs.write(mask(entry)),
    tail: async (...which) => (await logs.tail(...which)).map(mask),
    follow: (...which) => logs.follow(...which),
    remove: project => logs.remove(project),
    close: () => logs.close(),
  }
}

/** The cloud's own log without the secrets of its projects. */
export function maskLogger(logger: Logger, masker: () => Masker): Logger {
  const log = (level: keyof Logger) => (message: string, fields?: Record<string, unknown>) => {
    const text = masker().mask(message)
    if (fields === undefined) logger[level](text)
    else logger[level](text, maskIn(fields, masker()) as Record<string, unknown>)
  }
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
}

/** The same value without secrets in its texts. */
export function maskIn(value: unknown, masker: Masker): unknown {
  if (typeof value === 'string') return masker.mask(value)
  if (Array.isArray(value)) return value.map(item => maskIn(item, masker))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, maskIn(item, masker)]),
  )
}

/** Passes UTF-8 text on without secrets, at once but for what may be the beginning of one. */
export function maskingStream(masker: Masker): Transform {
  const decoder = new StringDecoder('utf8')
  const stream = masker.stream()
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      done(null, stream.push(decoder.write(chunk)))
    },
    flush(done) {
      done(null, stream.push(decoder.end()) + stream.end())
    },
  })
}
