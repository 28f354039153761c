import { randomBytes, randomUUID } from 'node:crypto'
import { type Answer, Refused, xml } from './answer.ts'

const KINDS = ['CachePolicy', 'OriginRequestPolicy', 'ResponseHeadersPolicy'] as const
export type PolicyKind = (typeof KINDS)[number]

interface Policy {
  kind: PolicyKind
  id: string
  /** As it was sent. */
  config: { Name: string }
  etag: string
  changed: Date
}

/** Policies of CloudFront, which moto lacks; what is in them is kept, not judged. */
export class Policies {
  readonly #policies = new Map<string, Policy>()

  create(kind: PolicyKind, config: { Name: string }): string {
    for (const { kind: other, config: there } of this.#policies.values()) {
      if (other === kind && there.Name === config.Name) {
        throw new Refused(`${kind}AlreadyExists`, `A policy named ${config.Name} is there.`, 409)
      }
    }
    const id = randomUUID()
    this.#policies.set(id, { kind, id, config, etag: etag(), changed: new Date() })
    return id
  }

  update(id: string, config: { Name: string }): void {
    Object.assign(this.#get(id), { config, etag: etag(), changed: new Date() })
  }

  delete(id: string): void {
    this.#get(id)
    this.#policies.delete(id)
  }

  /** Whether the operation is on a policy. */
  static kindOf(operation: string): PolicyKind | undefined {
    return KINDS.find(kind => operation.includes(kind) || operation === `List${plural(kind)}`)
  }

  // biome-ignore lint/suspicious/noExplicitAny: as sent, read by XML
  answer(operation: string, url: string, ifMatch: string | undefined, body: any): Answer {
    const kind = Policies.kindOf(operation) ?? 'CachePolicy'
    const id = url.split('?')[0]?.split('/')[3] ?? ''
    if (operation.startsWith('List')) {
      const items = [...this.#policies.values()]
        .filter(policy => policy.kind === kind)
        .map(policy => ({ Type: 'custom', [kind]: describe(policy) }))
      const list = { MaxItems: 100, Quantity: items.length, Items: { [`${kind}Summary`]: items } }
      return xml(200, { [`${kind}List`]: list })
    }
    if (operation.startsWith('Create')) {
      const made = this.#get(this.create(kind, body[`${kind}Config`]))
      return xml(201, { [kind]: describe(made) }, { etag: made.etag })
    }
    const policy = this.#get(id)
    if (operation.endsWith('Config')) {
      return xml(200, { [`${kind}Config`]: policy.config }, { etag: policy.etag })
    }
    if (operation.startsWith('Get')) {
      return xml(200, { [kind]: describe(policy) }, { etag: policy.etag })
    }
    if (ifMatch !== policy.etag) {
      throw new Refused('PreconditionFailed', 'The precondition in If-Match does not hold.', 412)
    }
    if (operation.startsWith('Delete')) {
      this.delete(id)
      return { status: 204 }
    }
    this.update(id, body[`${kind}Config`])
    return xml(200, { [kind]: describe(policy) }, { etag: policy.etag })
  }

  #get(id: string): Policy {
    const policy = this.#policies.get(id)
    if (policy === undefined) throw new Refused('NoSuchResource', 'The policy does not exist.', 404)
    return policy
  }
}

function describe({ kind, id, config, changed }: Policy) {
  return { Id: id, LastModifiedTime: changed.toISOString(), [`${kind}Config`]: config }
}

const plural = (kind: PolicyKind) => kind.replace(/y$/, 'ies')
const etag = () => `ETV${randomBytes(6).toString('hex').toUpperCase()}`
