import { createHash } from 'node:crypto'
import type { Project } from '../../../../../config/project.ts'
import { getAtt, type Resource, sub, type Value } from '../fragment.ts'

/** Policies that AWS has ready, by their ids, which are the same in every account. */
export const MANAGED = {
  cachingDisabled: '4135ea2d-6df8-44a3-9df3-4b5a84be39ad',
  allViewer: '216adef6-5c7f-47e4-b989-5492eafa07d3',
  allViewerExceptHost: 'b689b0a8-53d0-40ab-baf2-68738e2966ac',
} as const

export type PolicyKind = 'CachePolicy' | 'OriginRequestPolicy' | 'ResponseHeadersPolicy'

/** An account has so many of each kind, unless a quota is raised. */
export const MAX_POLICIES = 20

/**
 * The policies that behaviors name: each content once, under a name made of it, for an account has
 * few, and one that changes is another one until the distribution has left the old.
 */
export class Policies {
  readonly #project: string
  readonly #made = new Map<string, Resource>()

  constructor({ name }: Project) {
    this.#project = name
  }

  /** The id of a policy with that content. `comment` is of whoever asked for it first. */
  use(
    kind: PolicyKind,
    config: Readonly<Record<string, Value | undefined>>,
    comment: string,
  ): Value {
    const hash = createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 8)
    const id = `${kind}${hash}`
    if (!this.#made.has(id)) {
      this.#made.set(id, {
        Type: `AWS::CloudFront::${kind}`,
        Properties: {
          [`${kind}Config`]: {
            Name: sub(`mokapot-${this.#project}-${hash}-\${AWS::Region}`),
            Comment: comment.slice(0, 128),
            ...config,
          },
        },
      })
    }
    return getAtt(id, 'Id')
  }

  resources(): Record<string, Resource> {
    return Object.fromEntries(this.#made)
  }

  count(kind: PolicyKind): number {
    return [...this.#made.keys()].filter(id => id.startsWith(kind)).length
  }
}
