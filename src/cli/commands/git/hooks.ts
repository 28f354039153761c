import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import type { Hooks } from '../../../control/cloud-api.ts'
import { MokaError } from '../../../shared/errors.ts'
import { type CloudOptions, findCloud, findProjectName } from '../../find-cloud.ts'
import { createReporter } from '../../reporter.ts'

export interface HooksOptions extends CloudOptions {
  json?: boolean
  repository?: string
  /** A path, or `-`. */
  tokenFile?: string
}

/** `moka hooks`: what a forge has to know to tell this cloud of pushes, and what has become of them. */
export async function hooks(options: HooksOptions): Promise<void> {
  const reporter = createReporter(options.json === true)
  const cloud = await findCloud(options)
  try {
    const project = await findProjectName(options)
    const { repository, tokenFile } = options
    const token = tokenFile === undefined ? undefined : await readToken(tokenFile)
    const known = await cloud.api.hooks(project, {
      ...(repository === undefined ? {} : { repository }),
      ...(token === undefined ? {} : { token }),
    })
    reporter.result(known, describe(project, known))
  } finally {
    cloud.close()
  }
}

function describe(project: string, known: Hooks): string {
  const { address, secret, repository, hasToken, last } = known
  const lines = [
    `address     ${address}`,
    `secret      ${secret}`,
    `repository  ${repository ?? `none yet; moka hooks --repository https://github.com/you/${project}.git`}`,
    `token       ${hasToken ? 'there is one' : 'none: a public repository is fetched, and no status is reported'}`,
  ]
  if (last === undefined) return lines.join('\n')
  const outcome = last.isLive ? 'went live' : 'failed'
  lines.push(`last push   ${last.commit.slice(0, 7)} ${outcome} at ${last.at}`)
  if (!last.isLive) lines.push('', last.log.trimEnd())
  return lines.join('\n')
}

async function readToken(path: string): Promise<string> {
  const content =
    path === '-'
      ? await text(process.stdin)
      : await readFile(path, 'utf8').catch(error => {
          throw new MokaError('CLI_NO_FILE', `cannot read the token in "${path}": ${error.code}`)
        })
  const token = content.trim()
  if (/^[\x21-\x7e]{1,1000}$/.test(token)) return token
  throw new MokaError('CLI_BAD_TOKEN', `cannot use the token in "${path}": it is not one word`)
}
