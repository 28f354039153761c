import type { CloudApi } from '../../control/cloud-api.ts'
import { openPlace, type Place } from './place.ts'

/** A project as a running cloud serves it; without a cloud nothing answers. */
export async function openHomePlace(
  { name, domain }: { name: string; domain?: string },
  cloud: Pick<CloudApi, 'status' | 'live'> | undefined,
): Promise<Place> {
  const addresses = (await cloud?.status())?.addresses
  const live = await cloud?.live(name)
  return openPlace({
    kind: 'home',
    // What was never released nobody serves, whoever else's site answers there.
    site: live && addresses?.site,
    https: live && addresses?.https,
    host: domain ?? `${name}.localhost`,
    ...(addresses?.dns !== undefined && { nameServer: addresses.dns }),
    functions: live?.manifest.functions ?? {},
    ...(live !== undefined && { live: live.id, made: `release ${live.id}` }),
  })
}
