// A command that is started before it is known which: everything that a deploy needs is loaded, then it
// waits to be told where it is to run and with what. It ends with its parent.

import '../config/load.ts'
import './commands/deploy.ts'
import './program.ts'
import 'esbuild'

/** What a spare process is told, once. */
interface SpareJob {
  cwd: string
  variables: Record<string, string>
  /** As after `moka`. */
  args: string[]
}

// As any command ends, together with its build, where the system does not say so already.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
process.once('message', async ({ cwd, variables, args }: SpareJob) => {
  process.chdir(cwd)
  Object.assign(process.env, { ...variables, PWD: cwd })
  process.argv.splice(2, process.argv.length, ...args)
  await import('./main.ts')
})
