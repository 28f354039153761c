import type { SecretsApi } from '../../../control/secrets-api.ts'
import { MokaError } from '../../../shared/errors.ts'
import { findCloud, findProjectName } from '../../find-cloud.ts'
import { openAws, type TargetOptions } from '../../find-target.ts'
import { createReporter, formatAge, formatCount, type Reporter } from '../../reporter.ts'
import { readValue } from './read-value.ts'

type Options = TargetOptions

/** `moka secrets set`: gives a secret its value, which comes from a terminal or standard input. */
export async function setSecret(name: string, options: Options): Promise<void> {
  refuseArgument(name)
  await withProject(options, async (api, project, reporter) => {
    const value = await readValue(name)
    const changed = await api.set(project, name, value)
    const { functions } = changed
    const who =
      functions.length === 0
        ? ''
        : `; ${formatCount(functions.length, 'function')} get${functions.length === 1 ? 's' : ''} it from the next invocation on: ${functions.join(', ')}`
    reporter.result(
      { project, ...changed },
      `secret ${name} of ${project} is ${changed.isNew ? 'set' : 'changed'}${who}`,
    )
  })
}

/** `moka secrets list`: names and who uses them; values stay where they are. */
export async function listSecrets(options: Options): Promise<void> {
  await withProject(options, async (api, project, reporter) => {
    const secrets = await api.list(project)
    const nowMs = Date.now()
    const width = Math.max(0, ...secrets.map(({ name }) => name.length))
    const lines = secrets.map(({ name, setMs, functions, isForNotifications }) => {
      const users = [
        ...functions.map(user => `function ${user}`),
        ...(isForNotifications ? ['notifications'] : []),
      ]
      const used = users.length === 0 ? 'in no function of the live release' : users.join(', ')
      return `${name.padEnd(width)}  set ${formatAge(setMs, nowMs).padEnd(14)}  ${reporter.dim(used)}`
    })
    const none = `project ${project} has no secrets; moka secrets set NAME sets one`
    reporter.result({ project, secrets }, secrets.length === 0 ? none : lines.join('\n'))
  })
}

/** `moka secrets remove`. */
export async function removeSecret(name: string, options: Options): Promise<void> {
  refuseArgument(name)
  await withProject(options, async (api, project, reporter) => {
    await api.remove(project, name)
    reporter.result({ project, name }, `secret ${name} of ${project} is removed`)
  })
}

async function withProject(
  options: Options,
  work: (secrets: SecretsApi, project: string, reporter: Reporter) => Promise<void>,
): Promise<void> {
  const reporter = createReporter(options.json === true)
  if (options.to === 'aws') {
    const { project, target } = await openAws(options, { reporter })
    try {
      await work(target.secrets, project.name, reporter)
    } finally {
      await target.close()
    }
    return
  }
  const cloud = await findCloud(options)
  try {
    await work(cloud.api.secrets, await findProjectName(options), reporter)
  } finally {
    cloud.close()
  }
}

/** What stands on a command line is in the shell's history, and for every user to see. */
function refuseArgument(name: string): void {
  const [first = ''] = name.split('=', 1)
  if (first === name) return
  throw new MokaError(
    'CLI_SECRET_IN_ARGUMENT',
    `cannot take the value of secret "${first}" from the command line, where others can read it`,
    {
      hint: `moka secrets set ${first} asks for it; a script gives it by standard input: printf %s "$VALUE" | moka secrets set ${first}`,
    },
  )
}
