import { createHash, createPublicKey } from 'node:crypto'
import type { Project } from '../../../../../config/project.ts'
import { MokaError } from '../../../../../shared/errors.ts'
import {
  getAtt,
  logicalId,
  type Output,
  type Resource,
  ref,
  sub,
  type TemplateFragment,
  type Value,
} from '../fragment.ts'

/** Public keys, and a group of them for each set that behaviors name. */
export class SigningKeys {
  readonly #project: Project
  readonly #resources: Record<string, Resource> = {}
  readonly #outputs: Record<string, Output> = {}

  constructor(project: Project) {
    this.#project = project
  }

  /** Id of the group of these keys, of which one has to have signed. */
  group(names: readonly string[]): Value {
    const keys = [...new Set(names)].sort().map(name => this.#key(name))
    const hash = digest(keys.join(' '))
    const id = `KeyGroup${hash}`
    this.#resources[id] = {
      Type: 'AWS::CloudFront::KeyGroup',
      Properties: {
        KeyGroupConfig: { Name: this.#named(hash), Items: keys.map(key => ref(key)) },
      },
    }
    return ref(id)
  }

  fragment(): TemplateFragment {
    return { resources: this.#resources, outputs: this.#outputs }
  }

  /** A key cannot be changed, so that another content is another resource. */
  #key(name: string): string {
    const pem = this.#project.edge.signingKeys![name]!
    requireSize(name, pem)
    const hash = digest(`${name}\n${pem}`)
    const id = `SigningKey${logicalId(name)}${hash}`
    this.#resources[id] = {
      Type: 'AWS::CloudFront::PublicKey',
      Properties: {
        PublicKeyConfig: {
          Name: this.#named(hash),
          // One for all of an account: another project may have the same key.
          CallerReference: this.#named(hash),
          Comment: `Key "${name}" of project "${this.#project.name}"`,
          EncodedKey: pem,
        },
      },
    }
    this.#outputs[id] = {
      Description: `Key-Pair-Id in URLs that key "${name}" signs`,
      Value: getAtt(id, 'Id'),
    }
    return id
  }

  #named(hash: string): Value {
    return sub(`mokapot-${this.#project.name}-${hash}-\${AWS::Region}`)
  }
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 8)

function requireSize(name: string, pem: string): void {
  const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey(pem)
  if (asymmetricKeyType !== 'rsa' || asymmetricKeyDetails?.modulusLength === 2048) return
  throw new MokaError(
    'AWS_KEY_INVALID',
    `cannot make the template: key "${name}" has ${asymmetricKeyDetails?.modulusLength} bits, and CloudFront takes RSA of 2048`,
    { hint: 'make another one: RSA of 2048 bits, or ECDSA P-256' },
  )
}
