import { isIPv4, isIPv6 } from 'node:net'
import type { SiteState } from '../release.ts'

/**
 * Host without port, in lower case, without the dot of the root, or undefined where the text is no
 * host (RFC 9110 §7.2, narrowed to names that DNS can hold).
 */
export function parseHost(value: string): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{0,5}))?$/i.exec(value)
  if (match === null || Number(match[2] ?? '0') > 65535) return undefined
  const name = match[1]!.toLowerCase()
  if (name.startsWith('[')) return isIPv6(name.slice(1, -1)) ? name : undefined
  if (/^[\d.]+$/.test(name)) return isIPv4(name) ? name : undefined
  const host = name.endsWith('.') ? name.slice(0, -1) : name
  const isName = host.length <= 253 && host.split('.').every(isLabel)
  return isName ? host : undefined
}

/** RFC 1035 §2.3.4, with underscores. */
function isLabel(label: string): boolean {
  return label.length >= 1 && label.length <= 63 && !label.startsWith('-') && !label.endsWith('-')
}

export type SiteOutcome =
  | { kind: 'site'; site: SiteState }
  | { kind: 'unknown-host' }
  /** A preview's host; there is none of that name any more. */
  | { kind: 'no-preview' }
  /** Its owner switched it off. */
  | { kind: 'disabled' }
  /** Nothing was deployed yet. */
  | { kind: 'no-site' }

/** Which site answers which host. A value: replaced whole when any site changes. */
export interface SiteIndex {
  readonly sites: ReadonlyMap<string, SiteState>
  readonly byHost: ReadonlyMap<string, SiteState>
  /** The one there is besides previews. */
  readonly only: SiteState | undefined
  /** It answers this machine's own names alone, and those that it has. */
  readonly isLocal: boolean
}

/** Hosts claimed by two projects go to the first; `onClash` hears of the other. */
export function indexSites(
  sites: ReadonlyMap<string, SiteState>,
  onClash: (host: string, project: string) => void = () => {},
  isLocal = false,
): SiteIndex {
  const byHost = new Map<string, SiteState>()
  for (const [project, site] of sites) {
    for (const name of site.live.hosts) {
      const host = parseHost(name)
      if (host === undefined) continue
      const taken = byHost.get(host)
      if (taken === undefined) byHost.set(host, site)
      else if (taken !== site) onClash(host, project)
    }
  }
  const live = [...sites.values()].filter(({ preview }) => preview === undefined)
  const only = live.length === 1 ? live[0] : undefined
  return { sites: new Map(sites), byHost, only, isLocal }
}

/** The site for a host; the only one there is answers any host but those of its previews. */
export function pickSite(index: SiteIndex, host: string): SiteOutcome {
  if (index.sites.size === 0) return { kind: 'no-site' }
  const named = index.byHost.get(host)
  if (named === undefined && isPreviewHost(index, host)) return { kind: 'no-preview' }
  const site = named ?? (index.isLocal && !isThisMachine(host) ? undefined : index.only)
  if (site === undefined) return { kind: 'unknown-host' }
  return site.isDisabled ? { kind: 'disabled' } : { kind: 'site', site }
}

/**
 * A name that nobody else can give away: a page in the developer's browser may have its own lead
 * here, and would then read what it gets (DNS rebinding). Without a name it was no browser.
 */
function isThisMachine(host: string): boolean {
  return host === '' || /^(?:.+\.)?localhost$/.test(host) || host.startsWith('[') || isIPv4(host)
}

/** `NAME.preview.` before a host that has a site. */
function isPreviewHost({ byHost }: SiteIndex, host: string): boolean {
  const [, rest] = /^[^.]+\.preview\.(.+)$/.exec(host) ?? []
  return rest !== undefined && byHost.has(rest)
}
