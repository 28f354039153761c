// Memory of idle keep-alive connections: node benchmarks/edge-idle.mjs [connections]
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { warmUp } from './edge/load.mjs'
import { startEdge, writeCertificate } from './edge/servers.mjs'
import { argumentsOf } from './support/arguments.mjs'
import { pssBytes, settledPssBytes } from './support/memory.mjs'
import { table } from './support/numbers.mjs'
import { progress, runIfMain } from './support/report.mjs'

const CLIENTS = fileURLToPath(new URL('./edge/idle-clients.mjs', import.meta.url))
const TARGET_KB = 15

export async function measure() {
  const [connections = 10_000] = argumentsOf(import.meta.url)
  const folder = mkdtempSync(join(tmpdir(), 'moka-benchmark-'))
  writeFileSync(join(folder, '1.txt'), 'x'.repeat(1024))
  await writeCertificate(folder)
  try {
    const rows = []
    for (const [what, scheme] of [
      ['HTTP/1.1', 'http'],
      ['HTTP/1.1 over TLS', 'https'],
    ]) {
      progress(`edge, ${connections} idle connections, ${what}`)
      rows.push({
        what: `${what}, each of ${connections}`,
        values: [(await measureIdle(folder, scheme, Number(connections))) / 1024],
        unit: 'KB',
        target: TARGET_KB,
      })
    }
    return `## Edge: idle connections

Each asked for one file of 1 KB and stays open. Proportional set size of the server process, more than
before the first of them, divided by their number; what the kernel holds of a socket is not in it.

${table(rows)}`
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  }
}

async function measureIdle(folder, scheme, connections) {
  const server = await startEdge(folder, 'own')
  try {
    // What the first requests load and compile is not the connections'.
    for (let i = 0; i < 20; i++) await warmUp(server, '/1.txt', { scheme }, 100)
    const before = await settledPssBytes(server.pid)
    const args = [CLIENTS, connections, scheme, server.portOf[scheme]]
    const clients = spawn(process.execPath, args.map(String), {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const opened = new Promise((resolve, reject) => {
      clients.stdout.once('data', resolve)
      clients.once('exit', () => reject(new Error('the clients ended')))
    })
    await opened
    const after = pssBytes(server.pid)
    clients.removeAllListeners('exit')
    clients.stdin.end()
    return (after - before) / connections
  } finally {
    server.stop()
  }
}

await runIfMain(import.meta.url, measure)
