import type { AccountDesk } from './account-desk.ts'
import { parseXml } from './answer.ts'
import type { Stacks } from './cloudformation/stacks.ts'
import type { EdgeFunctions } from './edge-functions.ts'
import type { KeyValueStores } from './key-value-stores.ts'
import type { Lambdas } from './lambda/lambdas.ts'
import { Policies } from './policies.ts'
import type { StandIn } from './proxy.ts'

export interface Parts {
  account: AccountDesk
  keyValueStores: KeyValueStores
  lambdas: Lambdas
  edgeFunctions: EdgeFunctions
  policies: Policies
  stacks: Stacks
}

/** Who answers what moto lacks, by service and operation. */
export function createStandIn(parts: Parts): StandIn {
  const { account, keyValueStores, lambdas, edgeFunctions, policies, stacks } = parts
  return async (operation, asked, body) => {
    const { service, name, region } = operation
    const url = asked.url ?? ''
    const known = await account.answer(operation, url, body)
    if (known !== undefined) return known
    const ifMatch = asked.headers['if-match']
    if (service === 'cloudfront-keyvaluestore') return keyValueStores.data(name, url, ifMatch, body)
    if (service === 'cloudformation') {
      return stacks.answer(name, region, new URLSearchParams(String(body)))
    }
    if (service === 'lambda') return lambdas.answer(operation, asked, body)
    if (service !== 'cloudfront') return undefined
    if (name.includes('KeyValueStore')) {
      const sent = body.length > 0 ? Object.values(parseXml(String(body))).at(-1) : {}
      const store = decodeURIComponent(url.split('?')[0]?.split('/')[3] ?? '')
      return keyValueStores.control(name, store, ifMatch, sent as Record<string, string>)
    }
    const sent = body.length > 0 && /policy|function/.test(url) ? parseXml(String(body)) : {}
    if (Policies.kindOf(name) !== undefined) return policies.answer(name, url, ifMatch, sent)
    if (/Function/.test(name)) return edgeFunctions.answer(name, url, ifMatch, sent)
    return undefined
  }
}
