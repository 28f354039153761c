import type { Socket } from 'node:net'
import { endInStages } from '../../transport/end-in-stages.ts'

/** As at CloudFront: a WebSocket connection on which nothing moves for 10 minutes is closed. */
const IDLE_MS = 600_000

export interface Tunnel {
  /** Sends what is under way and closes both sides. */
  end(): void
}

/**
 * Bytes both ways, as fast as the slower side takes them. Either side may end its direction alone;
 * when one is closed, the other is too, with what was on its way to it.
 */
export function openTunnel(viewer: Socket, origin: Socket, idleMs = IDLE_MS): Tunnel {
  viewer.allowHalfOpen = true
  origin.allowHalfOpen = true
  joinOneWay(viewer, origin)
  joinOneWay(origin, viewer)
  // Whatever moves, moves through this socket.
  viewer.setTimeout(idleMs, () => {
    viewer.destroy()
    origin.destroy()
  })
  return {
    end() {
      letGo(viewer)
      letGo(origin)
    },
  }
}

function joinOneWay(from: Socket, to: Socket): void {
  from.on('error', () => {})
  from.once('close', isBroken => {
    from.unpipe()
    if (isBroken || !from.readableEnded) to.destroy()
    else letGo(to)
  })
  from.pipe(to)
}

function letGo(socket: Socket): void {
  if (socket.destroyed) return
  socket.unpipe()
  socket.resume()
  endInStages(socket)
}
