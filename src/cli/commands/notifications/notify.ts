import { MokaError } from '../../../shared/errors.ts'
import { type CloudOptions, findCloud, findProjectName } from '../../find-cloud.ts'
import { createReporter } from '../../reporter.ts'

type Options = CloudOptions & { json?: boolean }

/** `moka notify test`: sends one to each address of the live release, and says how it went. */
export async function testNotifications(options: Options): Promise<void> {
  const cloud = await findCloud(options)
  try {
    const reporter = createReporter(options.json === true)
    const project = await findProjectName(options)
    const sent = await cloud.api.notifications.test(project)
    const lines = sent.map(({ to, failure }) => `${to}: ${failure ?? 'arrived'}`)
    reporter.result({ project, sent }, lines.join('\n'))
    const failed = sent.filter(({ failure }) => failure !== undefined)
    if (failed.length === 0) return
    throw new MokaError(
      'CLI_NOTIFICATIONS_FAILED',
      `cannot notify ${failed.map(({ to }) => to).join(', ')}: see above`,
    )
  } finally {
    cloud.close()
  }
}

/** `moka notify key`: what receivers check signatures with. */
export async function printNotificationKey(options: Options): Promise<void> {
  const cloud = await findCloud(options)
  try {
    const project = await findProjectName(options)
    const key = await cloud.api.notifications.key(project)
    createReporter(options.json === true).result({ project, key }, key)
  } finally {
    cloud.close()
  }
}
