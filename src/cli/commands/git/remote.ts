import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { MokaError, systemErrorCode } from '../../../shared/errors.ts'
import { type CloudOptions, findCloud, findProjectName } from '../../find-cloud.ts'
import { createReporter } from '../../reporter.ts'

const run = promisify(execFile)

/** `moka remote`: makes the cloud a remote of this repository, for `git push`. */
export async function remote(
  name: string,
  options: CloudOptions & { json?: boolean },
): Promise<void> {
  const reporter = createReporter(options.json === true)
  const cloud = await findCloud(options)
  try {
    const project = await findProjectName(options)
    if ((await cloud.api.status()).mode === 'dev') {
      throw new MokaError(
        'CLI_NO_REMOTE',
        'cannot push to this cloud: `moka dev` follows the folder that it was started in',
        { hint: 'name a cloud that `moka up` runs with --cloud' },
      )
    }
    const url = new URL(`/git/${project}.git`, cloud.url)
    const shown = url.href
    url.username = 'moka'
    url.password = cloud.token
    await setRemote(name, url.href)
    reporter.result(
      { name, url: shown, project },
      `remote "${name}" is ${shown}, with the cloud's token\ntry: git push ${name} main`,
    )
  } finally {
    cloud.close()
  }
}

async function setRemote(name: string, url: string): Promise<void> {
  const git = (...args: string[]) => run('git', ['remote', ...args])
  try {
    const { stdout } = await git()
    await git(...(stdout.split('\n').includes(name) ? ['set-url'] : ['add']), '--', name, url)
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    const isMissing = systemErrorCode(error) === 'ENOENT'
    const reason = isMissing ? 'there is no program `git`' : stderr.trim().replace(/^fatal: /, '')
    throw new MokaError('CLI_NO_REPOSITORY', `cannot add remote "${name}": ${reason}`, {
      hint: isMissing ? 'install git' : '`git init` makes a repository of this folder',
    })
  }
}
