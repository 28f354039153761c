import { spawn, spawnSync } from 'node:child_process'
import { findOnPath, tieToParent } from '../../../src/shared/tied-process.ts'

/** Why tests against AWS are skipped here; undefined where they run. */
export const noAws =
  findOnPath('moto_server') !== undefined &&
  spawnSync('moto_server', ['--help'], { stdio: 'ignore' }).status === 0
    ? undefined
    : 'moto_server is not installed: pip install "moto[server]"'

export interface Moto {
  endpoint: string
  close(): Promise<void>
}

/** A moto of one's own, on a port of the system's choice; it ends with this process. */
export async function startMoto(): Promise<Moto> {
  if (noAws !== undefined) throw new Error(noAws)
  const { command, args } = tieToParent('moto_server', ['-H', '127.0.0.1', '-p', '0'])
  const child = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Lambdas are not run: that needs Docker.
    env: { ...process.env, PYTHONUNBUFFERED: '1', MOTO_IAM_LOAD_MANAGED_POLICIES: 'false' },
  })
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  let said = ''
  const endpoint = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8')
    child.stderr.on('data', (text: string) => {
      // It writes a line for each request, which nobody reads.
      if (said.length < 20_000) said += text
      const found = /Running on (http:\/\/127\.0\.0\.1:\d+)\D/.exec(said)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.once('error', reject)
    void ended.then(() => reject(new Error(`moto_server ended: ${said}`)))
  })
  return {
    endpoint,
    async close() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
