import { BunListener } from './bun/bun-listener.ts'
import type { Listener, ListenerOptions } from './listener.ts'
import { NodeListener } from './node-listener.ts'

/** A listener on the sockets of the runtime that this process is. */
export function createListener(options: ListenerOptions): Listener {
  return process.versions.bun === undefined ? new NodeListener(options) : new BunListener(options)
}
