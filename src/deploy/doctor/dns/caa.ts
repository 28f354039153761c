import type { RecordData } from '../../../dns/wire/record-data.ts'
import { type DnsView, look, plainName } from './view.ts'

/** Who may issue certificates for a name (RFC 8659). */
export interface CaaRules {
  /** Where the records stand: the name itself or one above. */
  at: string
  /** Authorities, each as its domain; `''` says nobody. */
  issuers: string[]
}

/** The records that count for a name, or `*.` and a name: its own, else the nearest above (§3). */
export async function findCaa(
  view: DnsView,
  name: string,
  signal?: AbortSignal,
): Promise<CaaRules | undefined> {
  const isWildcard = name.startsWith('*.')
  const labels = plainName(name).replace(/^\*\./, '').split('.')
  for (let at = 0; at < labels.length; at++) {
    const here = labels.slice(at).join('.')
    const looked = await look(view, here, 'CAA', signal)
    if (looked.kind === 'records')
      return { at: here, issuers: readIssuers(looked.data, isWildcard) }
  }
  return undefined
}

/** Of `issuewild` alone for a wildcard, where there is one (§4.3). */
function readIssuers(data: readonly RecordData[], isWildcard: boolean): string[] {
  const of = (tag: string) =>
    data.flatMap(each =>
      each.type === 'CAA' && each.tag.toLowerCase() === tag
        ? [parseIssuer(Buffer.from(each.value).toString('latin1'))]
        : [],
    )
  const wild = isWildcard ? of('issuewild') : []
  return wild.length > 0 ? wild : of('issue')
}

/** `ca.example; account=1` → `ca.example`. */
export function parseIssuer(value: string): string {
  return plainName(value.split(';')[0]!.trim())
}
