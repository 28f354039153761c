import { type ChildProcess, spawn } from 'node:child_process'
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { type BoundSocket, bindSocket } from './bound-socket.ts'

/** What the edge's workers run on: this Node, or the Bun at a path. */
export type EdgeRuntime = { kind: 'node' } | { kind: 'bun'; path: string }

/** Where a worker finds what it is to listen on, by number of descriptor. */
export interface InheritedSockets {
  plain: number
  https?: number
}

/** Starts the processes of the edge's workers, all on one listening socket for each port. */
export interface WorkerRuntime {
  /** The process speaks JSON by IPC. */
  start(): ChildProcess
  /** Absent: workers ask for their ports themselves, and the cluster module sees that they share. */
  readonly sockets?: InheritedSockets
  close(): void
}

export interface WorkerPorts {
  host: string
  port: number
  httpsPort: number | undefined
}

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url))

/** Throws EDGE_PORT_TAKEN or EDGE_PORT_REFUSED, where it is here that ports are bound. */
export async function openWorkerRuntime(
  runtime: EdgeRuntime,
  ports: WorkerPorts,
): Promise<WorkerRuntime> {
  return runtime.kind === 'node' ? openOnNode() : openOnBun(runtime.path, ports)
}

function openOnNode(): WorkerRuntime {
  // Without its round robin, so that the kernel balances.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  cluster.setupPrimary({ exec: WORKER, args: [], serialization: 'json' })
  return {
    // The extra certificates cost each start 50 ms, and an edge worker calls nobody outside.
    start() {
      const worker = cluster.fork({ NODE_EXTRA_CA_CERTS: '' })
      // The process tells its errors to whoever has it. Cluster repeats them, and one that nobody
      // hears ends the cloud: what was sent to a worker that was just killed is such a one.
      worker.on('error', () => {})
      return worker.process
    },
    close() {},
  }
}

/** What is 0 to 3 are the standard streams and IPC. */
const FIRST_SOCKET = 4

/**
 * Workers on Bun inherit the sockets, as those of the cluster module do. With a socket of each one's
 * own (SO_REUSEPORT) the connections in its queue would be lost with every worker that ends.
 */
async function openOnBun(path: string, ports: WorkerPorts): Promise<WorkerRuntime> {
  const { host, port, httpsPort } = ports
  const sockets: BoundSocket[] = []
  const close = () => {
    for (const socket of sockets) socket.close()
  }
  try {
    sockets.push(await bindSocket(host, port))
    if (httpsPort !== undefined) sockets.push(await bindSocket(host, httpsPort))
  } catch (error) {
    close()
    throw error
  }
  const descriptors = sockets.map(socket => socket.fd)
  return {
    start: () =>
      // Whatever stands in the directory that `moka up` was started in is not for the workers.
      spawn(path, ['--no-env-file', '--no-install', '--config=/dev/null', WORKER], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...descriptors],
        serialization: 'json',
        env: { ...process.env, NODE_EXTRA_CA_CERTS: '' },
      }),
    sockets: {
      plain: FIRST_SOCKET,
      ...(httpsPort !== undefined && { https: FIRST_SOCKET + 1 }),
    },
    close,
  }
}
