import { isReservedVariable } from '../../config/environment-names.ts'
import type { ChangedSecret, ListedSecret, SecretsApi } from '../../control/secrets-api.ts'
import type { Functions } from '../../functions/functions.ts'
import type { FunctionVersion } from '../../functions/version.ts'
import { functionsWith, notifiesBy, type ReleaseDraft } from '../../releases/manifest.ts'
import type { Releases } from '../../releases/releases.ts'
import type { Clock } from '../../shared/clock.ts'
import { MokaError } from '../../shared/errors.ts'
import type { Logger } from '../../shared/logger.ts'
import type { FunctionVersions } from '../function-versions.ts'
import { isHttpUrl } from '../notifications/notifier.ts'
import type { ProjectSecrets } from './project-secrets.ts'

/** Linux: one variable of a process, with its name, has at most 128 KiB (MAX_ARG_STRLEN, execve(2)). */
const MAX_VALUE_BYTES = 64 * 1024
const MAX_SECRETS = 200
const NAME = /^[A-Za-z_]\w{0,127}$/
const PROJECT = /^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$/

export interface SecretsDeskParts {
  secrets: ProjectSecrets
  releases: Pick<Releases, 'live'>
  versions: FunctionVersions
  functions: Pick<Functions, 'retire'>
  clock: Clock
}

/** What people do with secrets, and what that does to the functions that use them. */
export class SecretsDesk implements SecretsApi {
  readonly #parts: SecretsDeskParts

  constructor(parts: SecretsDeskParts) {
    this.#parts = parts
  }

  async list(project: string): Promise<ListedSecret[]> {
    requireNames(project)
    const live = this.#live(project)
    return this.#parts.secrets.list(project).map(({ name, setMs }) => ({
      ...{ name, setMs, functions: functionsWith(live, name) },
      isForNotifications: notifiesBy(live, name),
    }))
  }

  async set(project: string, name: string, value: string): Promise<ChangedSecret> {
    requireNames(project, name)
    requireValue(name, value)
    const { secrets, versions, functions, clock } = this.#parts
    const isNew = secrets.get(project, name) === undefined
    if (isNew && secrets.list(project).length >= MAX_SECRETS) {
      throw new MokaError(
        'SECRETS_TOO_MANY',
        `cannot set secret "${name}": project "${project}" has ${MAX_SECRETS} already`,
        { hint: '`moka secrets remove NAME` removes one that is not used' },
      )
    }
    await secrets.set(project, name, value, clock.now())
    // Who answers now ends after that; the next invocation gets the new value.
    versions.renew(project)
    functions.retire(id => versions.has(id))
    return { name, isNew, functions: functionsWith(this.#live(project), name) }
  }

  async remove(project: string, name: string): Promise<void> {
    requireNames(project, name)
    const { secrets } = this.#parts
    if (secrets.get(project, name) === undefined) {
      const names = secrets.list(project).map(secret => secret.name)
      throw new MokaError(
        'SECRETS_UNKNOWN',
        `cannot remove secret "${name}": project "${project}" has no such secret`,
        names.length === 0 ? {} : { hint: `one of ${names.join(', ')}` },
      )
    }
    const live = this.#live(project)
    const [user] = functionsWith(live, name)
    const who = user === undefined ? 'its notifications use' : `function "${user}" uses`
    if (user !== undefined || notifiesBy(live, name)) {
      throw new MokaError(
        'SECRETS_IN_USE',
        `cannot remove secret "${name}": ${who} it in the live release of project "${project}"`,
        { hint: 'take it out of moka.config.ts and deploy first' },
      )
    }
    await secrets.remove(project, name)
  }

  async forBuild(project: string, names: readonly string[]): Promise<Record<string, string>> {
    const values = names.map(name => {
      requireNames(project, name)
      const value = this.#parts.secrets.get(project, name)
      if (value === undefined) throw notSet('the build', name)
      return [name, value]
    })
    return Object.fromEntries(values) as Record<string, string>
  }

  #live(project: string): ReleaseDraft | undefined {
    return this.#parts.releases.live(project)?.release.manifest
  }
}

/**
 * Throws `SECRETS_NOT_SET` where a release needs a secret that is not there. In development that is
 * logged alone, for secrets are set in the cloud that runs; the function cannot be invoked until then.
 */
export function checkSecrets(
  release: ReleaseDraft,
  secrets: ProjectSecrets,
  missing: 'refused' | Pick<Logger, 'warn'>,
): void {
  const refuse = (error: MokaError) => {
    if (missing === 'refused') throw error
    missing.warn(error.message, { try: error.hint })
  }
  for (const [name, { secrets: names = [] }] of Object.entries(release.functions)) {
    for (const secret of names) {
      if (secrets.get(release.project, secret) !== undefined) continue
      refuse(notSet(`function "${name}"`, secret))
    }
  }
  for (const target of release.notify ?? []) {
    if (!('secret' in target)) continue
    const value = secrets.get(release.project, target.secret)
    if (value === undefined) refuse(notSet('field "notify"', target.secret))
    else if (!isHttpUrl(value)) refuse(noAddress(target.secret))
  }
}

/** What a function gets as variables. Throws `SECRETS_NOT_SET`. */
export function secretVariables(
  { project, name, secrets: names = [] }: FunctionVersion,
  secrets: ProjectSecrets,
): Record<string, string> {
  const entries = names.map(secret => {
    const value = secrets.get(project, secret)
    if (value === undefined) throw notSet(`function "${name}"`, secret)
    return [secret, value]
  })
  return Object.fromEntries(entries) as Record<string, string>
}

function notSet(who: string, name: string): MokaError {
  return new MokaError('SECRETS_NOT_SET', `${who} needs secret "${name}", which is not set`, {
    hint: `moka secrets set ${name}`,
  })
}

function noAddress(name: string): MokaError {
  return new MokaError(
    'SECRETS_NO_ADDRESS',
    `field "notify" needs an address in secret "${name}", which has none`,
    { hint: `printf %s https://example.org/hook | moka secrets set ${name}` },
  )
}

function requireNames(project: string, name?: string): void {
  if (!PROJECT.test(project)) {
    throw new MokaError('SECRETS_BAD_PROJECT', `there can be no project "${project}"`)
  }
  if (name === undefined || (NAME.test(name) && !isReservedVariable(name))) return
  const reason = NAME.test(name)
    ? 'Lambda keeps that for itself'
    : 'it is not the name of an environment variable'
  throw new MokaError(
    'SECRETS_BAD_NAME',
    `cannot use "${name}" as the name of a secret: ${reason}`,
    { hint: 'letters, digits and "_", such as STRIPE_KEY' },
  )
}

function requireValue(name: string, value: string): void {
  const refuse = (reason: string, hint: string) =>
    new MokaError('SECRETS_BAD_VALUE', `cannot set secret "${name}": its value ${reason}`, { hint })
  if (value === '') throw refuse('is empty', 'to remove it: moka secrets remove NAME')
  if (value.includes('\0')) throw refuse('has a zero byte', 'give it in base64')
  if (Buffer.byteLength(value) <= MAX_VALUE_BYTES) return
  throw refuse(`is longer than ${MAX_VALUE_BYTES} bytes`, 'put it in a bucket or the database')
}
