// The short way of a request, beside the long one in answer.ts:
//
//   read Host → pick site → prepared file? → known address of a stored response?
//     → decode path → function route, origin of a behavior? → stored response
//                   → particular behavior? → none
//                   → file
//
// It never waits, and gives the very answers that the long way gives, or none. What is prepared was
// asked for before, and is behind no guard.

import type { Clock } from '../../shared/clock.ts'
import type { EdgeBehavior } from '../behaviors/behavior.ts'
import { namesCountry } from '../protection/countries/countries.ts'
import { isGuarded } from '../protection/guard.ts'
import type { EdgeRelease, SiteState } from '../release.ts'
import { type CompiledRules, matchBehavior } from '../site/compiled-site.ts'
import { matchRoute } from '../site/function-routes.ts'
import { parseHost, pickSite, type SiteIndex } from '../site/hosts.ts'
import { decodePath } from '../site/paths.ts'
import { MAX_TARGET_BYTES } from '../site/request-target.ts'
import { BoundedMap, ownText } from './bounded-map.ts'
import type { HotLookup, HotResponse, PlainRequest } from './hot-lookup.ts'
import { HotSite, type HotSiteParts } from './hot-site.ts'

/** Spellings of hosts that are remembered. Most are the few names of the sites. */
const MAX_HOSTS = 1024

export interface HotLookupParts extends HotSiteParts {
  rulesOf(release: EdgeRelease): CompiledRules
  clock: Clock
  countRequest(): void
}

/** A lookup that can be pointed at other sites, all at once. */
export interface SwitchableHotLookup extends HotLookup {
  setIndex(index: SiteIndex): void
}

export function createHotLookup(parts: HotLookupParts): SwitchableHotLookup {
  let plain: HotSnapshot | undefined
  let secure: HotSnapshot | undefined
  return {
    setIndex(index) {
      plain = new HotSnapshot(index, false, parts)
      secure = new HotSnapshot(index, true, parts)
    },
    find(request) {
      const response = (request.isSecure ? secure : plain)?.find(request)
      if (response !== undefined) parts.countRequest()
      return response
    },
  }
}

/** All that is prepared for one state of the sites, over TLS or not, and goes with it. */
class HotSnapshot {
  readonly #index: SiteIndex
  readonly #isSecure: boolean
  readonly #parts: HotLookupParts
  readonly #byHost = new BoundedMap<HotSite>(MAX_HOSTS)
  readonly #bySite = new Map<SiteState, HotSite>()

  constructor(index: SiteIndex, isSecure: boolean, parts: HotLookupParts) {
    this.#index = index
    this.#isSecure = isSecure
    this.#parts = parts
  }

  find(request: PlainRequest): HotResponse | undefined {
    const { target } = request
    if (target.length > MAX_TARGET_BYTES) return undefined
    const hot = this.#byHost.get(request.host) ?? this.#siteOf(request.host)
    if (hot === undefined) return undefined
    const question = target.indexOf('?')
    const rawPath = question === -1 ? target : target.slice(0, question)
    const prepared = hot.prepared(rawPath)
    if (prepared !== undefined) return hot.respond(prepared, request, this.#parts.clock.now())
    const now = this.#parts.clock.now()
    const known = hot.stored.known(request)
    if (known !== undefined) return hot.stored.respondAgain(known, request, now)
    const path = decodePath(rawPath)
    // `//`: whose guard it is behind, the long way finds out.
    if (path === undefined || path.includes('//')) return undefined
    const behavior = matchBehavior(hot.rules, path)
    const route = matchRoute(hot.site.live.routes, path)
    if (route !== undefined || (behavior !== undefined && behavior.origin !== 'site')) {
      const query = question === -1 ? '' : target.slice(question)
      return hot.stored.respond({ path, rawPath, query, behavior, route }, request, now)
    }
    if (behavior !== undefined && isParticular(behavior)) return undefined
    const file = hot.prepare(rawPath, path)
    return file === undefined ? undefined : hot.respond(file, request, now)
  }

  #siteOf(hostField: string): HotSite | undefined {
    const host = parseHost(hostField)
    const picked = host === undefined ? undefined : pickSite(this.#index, host)
    // Previews have few visitors, and a door of their own.
    if (picked?.kind !== 'site' || picked.site.preview !== undefined) return undefined
    const { site } = picked
    let hot = this.#bySite.get(site)
    if (hot === undefined) {
      hot = new HotSite(site, this.#parts.rulesOf(site.live), this.#isSecure, this.#parts)
      this.#bySite.set(site, hot)
    }
    this.#byHost.set(ownText(hostField), hot)
    return hot
  }
}

/** Whether a behavior has a say in who gets which answer, besides where it comes from. */
function isParticular(behavior: EdgeBehavior): boolean {
  const { viewerProtocol = 'allow-all', responseHeaders } = behavior
  return (
    isGuarded(behavior) ||
    viewerProtocol !== 'allow-all' ||
    responseHeaders !== undefined ||
    namesCountry(behavior)
  )
}
