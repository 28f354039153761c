import { execFile } from 'node:child_process'

const TIMEOUT_MS = 60_000

/** Runs a program of Node to its end, in an environment in which no cloud of this machine is found. */
export function execNode(
  args: readonly string[],
  cwd: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { MOKA_CLOUD: _cloud, MOKA_TOKEN: _token, ...rest } = process.env
  const env = { ...rest, MOKA_HOME: '/nonexistent/mokapot', NO_COLOR: '1' }
  return new Promise(resolve => {
    execFile(process.execPath, args, { cwd, env, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1
      resolve({ code, stdout, stderr })
    })
  })
}
