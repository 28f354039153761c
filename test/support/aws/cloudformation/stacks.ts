import type { Answer } from '../answer.ts'
import type { EdgeFunctions } from '../edge-functions.ts'
import type { KeyValueStores } from '../key-value-stores.ts'
import type { Policies } from '../policies.ts'

export interface Behind {
  moto: string
  keyValueStores: KeyValueStores
  edgeFunctions: EdgeFunctions
  policies: Policies
}

export class Stacks {
  readonly behind: Behind
  constructor(behind: Behind) {
    this.behind = behind
  }
  async answer(
    _operation: string,
    _region: string,
    _form: URLSearchParams,
  ): Promise<Answer | undefined> {
    return undefined
  }
}
