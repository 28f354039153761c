import { MokaError } from '../../shared/errors.ts'
import { createFailoverOrigin } from '../origins/failover.ts'
import { createHttpOrigin } from '../origins/http.ts'
import type { Origin } from '../origins/origin.ts'
import type { EdgeRelease } from '../release.ts'
import type { EdgeOriginSettings, HttpOriginSettings } from './behavior.ts'

/** An origin as requests need it. */
export interface PooledOrigin {
  origin: Origin
  /** Names it by all its settings: what came of another is not reused. */
  scope: string
  /** Of a group: the first's. */
  settings: HttpOriginSettings
}

type OriginsByName = Readonly<Record<string, EdgeOriginSettings>>

/** Proxy rules may take a part of the host from the visitor: those must not pile up. */
const MAX_ORIGINS = 256

/** Origins with their connections, one for each setting, however many releases name it. */
export class OriginPool {
  readonly #origins = new Map<string, PooledOrigin>()
  readonly #observed: (origin: Origin) => Origin

  /** `observed` stands before each origin, to see what it is asked. */
  constructor(observed: (origin: Origin) => Origin = origin => origin) {
    this.#observed = observed
  }

  /** Throws `EDGE_ORIGIN_UNKNOWN` and `EDGE_ORIGIN_INVALID`. */
  originOf(origins: OriginsByName, name: string): PooledOrigin {
    const settings = settingsOf(origins, name)
    if (!('primary' in settings)) return this.#single(settings)
    const primary = this.#single(httpSettingsOf(origins, settings.primary))
    const secondary = this.#single(httpSettingsOf(origins, settings.secondary))
    const { statuses } = settings
    const scope = JSON.stringify([primary.scope, secondary.scope, statuses])
    return this.#known(scope, () => ({
      origin: createFailoverOrigin({
        primary: primary.origin,
        secondary: secondary.origin,
        ...(statuses === undefined ? {} : { statuses }),
      }),
      scope,
      settings: primary.settings,
    }))
  }

  /** What keeps a release's behaviors from being answered, one line each. */
  problemsOf({ behaviors = [], origins = {} }: Pick<EdgeRelease, 'behaviors' | 'origins'>) {
    return behaviors.flatMap(({ pattern, origin }) => {
      if (origin === 'site') return []
      try {
        this.originOf(origins, origin)
        return []
      } catch (error) {
        return [`${pattern}: ${error instanceof Error ? error.message : String(error)}`]
      }
    })
  }

  /** Lets go of those that no release names any more; what they have under way goes on. */
  retain(used: readonly OriginsByName[]): void {
    const names = used.flatMap(origins =>
      Object.keys(origins).map(name => [origins, name] as const),
    )
    const scopes = new Set(names.flatMap(([origins, name]) => this.#scopeOf(origins, name) ?? []))
    for (const scope of [...this.#origins.keys()]) {
      if (!scopes.has(scope)) this.#origins.delete(scope)
    }
  }

  #scopeOf(origins: OriginsByName, name: string): string | undefined {
    try {
      return this.originOf(origins, name).scope
    } catch {
      return undefined
    }
  }

  #single(settings: HttpOriginSettings): PooledOrigin {
    const scope = JSON.stringify(settings)
    return this.#known(scope, () => ({
      origin: withOwnFields(this.#observed(createHttpOrigin(settings)), settings),
      scope,
      settings,
    }))
  }

  #known(scope: string, create: () => PooledOrigin): PooledOrigin {
    const known = this.#origins.get(scope)
    if (known !== undefined) return known
    const created = create()
    for (const oldest of this.#origins.keys()) {
      if (this.#origins.size < MAX_ORIGINS) break
      this.#origins.delete(oldest)
    }
    this.#origins.set(scope, created)
    return created
  }
}

/** Each origin of a group gets its own Host and fields. */
function withOwnFields(origin: Origin, settings: HttpOriginSettings): Origin {
  const { host = 'origin', headers = {} } = settings
  const ownHost =
    host === 'origin' ? new URL(settings.url).host : host === 'viewer' ? undefined : host.name
  return {
    fetch(request) {
      const fields = request.fields.clone()
      if (ownHost !== undefined) fields.set('host', ownHost)
      for (const [name, value] of Object.entries(headers)) fields.set(name, value)
      return origin.fetch({ ...request, fields })
    },
    close: () => origin.close(),
  }
}

function settingsOf(origins: OriginsByName, name: string): EdgeOriginSettings {
  const settings = Object.hasOwn(origins, name) ? origins[name] : undefined
  if (settings === undefined) {
    throw new MokaError('EDGE_ORIGIN_UNKNOWN', `there is no origin "${name}"`, {
      hint: `name one of: ${['site', ...Object.keys(origins)].join(', ')}`,
    })
  }
  return settings
}

function httpSettingsOf(origins: OriginsByName, name: string): HttpOriginSettings {
  const settings = settingsOf(origins, name)
  if ('primary' in settings) {
    throw new MokaError('EDGE_ORIGIN_INVALID', `the origin "${name}" is a group within a group`, {
      hint: 'a group has two single origins',
    })
  }
  return settings
}
