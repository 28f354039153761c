import { AwsError } from '../../../aws/errors.ts'
import type { XmlElement } from '../../../aws/xml/element.ts'
import {
  integer,
  invalidArgument,
  items,
  type Shape,
  structure,
  type ValueOf,
} from '../../../aws/xml/shape.ts'

/** A list as CloudFront writes it: how many, and the items, which are left out where there are none. */
export function list<T>(itemName: string, shape: Shape<T>): Shape<readonly T[]> {
  const inner = listWith(itemName, shape, {})
  return {
    read: (element, path) => inner.read(element, path).Items,
    write: (name, value) => inner.write(name, { Items: value }),
    absent: () => [],
  }
}

/** Such a list with more elements beside it: `AllowedMethods` has `CachedMethods`. */
export function listWith<T, S extends { [K in keyof S]: Shape<ValueOf<S[K]>> }>(
  itemName: string,
  shape: Shape<T>,
  beside: S,
): Shape<{ Items: readonly T[] } & ValueOf<Shape<StructureOf<S>>>> {
  const rest = structure(beside)
  const all = items(itemName, shape)
  return {
    read(element, path) {
      const only = (name: string) => element.children.filter(child => child.name === name)
      const others = element.children.filter(({ name }) => name !== 'Quantity' && name !== 'Items')
      const [quantity, ...more] = only('Quantity')
      if (quantity === undefined) throw invalidArgument(`${path}.Quantity is required.`)
      if (more.length > 0) throw invalidArgument(`${path}.Quantity stands there twice.`)
      const count = integer.read(quantity, `${path}.Quantity`)
      const found = only('Items').flatMap(child => all.read(child, `${path}.Items`))
      if (count !== found.length) {
        const message = `${path}.Quantity is ${count}, and there are ${found.length} items.`
        throw new AwsError('InconsistentQuantities', 400, message)
      }
      return {
        ...(rest.read({ ...element, children: others }, path) as object),
        Items: found,
      } as never
    },
    write(name, value) {
      const { Items } = value as { Items: readonly T[] }
      const found = Items.length === 0 ? undefined : all.write('Items', Items)
      const others = rest.write(name, value as never)?.children ?? []
      return {
        name,
        text: '',
        children: [leaf('Quantity', String(Items.length)), ...(found ? [found] : []), ...others],
      }
    },
    absent(path) {
      throw invalidArgument(`${path} is required.`)
    },
  }
}

type StructureOf<S extends { [K in keyof S]: Shape<ValueOf<S[K]>> }> = ValueOf<
  ReturnType<typeof structure<S>>
>

/**
 * What does not exist here. It may be there as it is where nobody uses it: empty, 0, false, or one
 * of `harmless`; anything else is refused by its name. `shown` is what AWS answers for it.
 */
export function unsupported(
  reason: string,
  shown?: readonly XmlElement[] | string,
  harmless: readonly string[] = [],
): Shape<undefined> {
  return {
    read(element, path) {
      const used = usedLeaf(element, path, harmless)
      if (used === undefined) return undefined
      throw invalidArgument(`${used} is not supported here: ${reason}.`)
    },
    write(name) {
      if (shown === undefined) return undefined
      return typeof shown === 'string'
        ? { name, text: shown, children: [] }
        : { name, text: '', children: shown }
    },
    absent: () => undefined,
  }
}

export function leaf(name: string, text: string): XmlElement {
  return { name, text, children: [] }
}

/** The path of the element that is refused: the whole's, where something in it is used. */
function usedLeaf(
  element: XmlElement,
  path: string,
  harmless: readonly string[],
): string | undefined {
  const isAtRest = ({ text, children }: XmlElement): boolean =>
    children.length > 0
      ? children.every(isAtRest)
      : ['', '0', 'false', ...harmless].includes(text.trim())
  return isAtRest(element) ? undefined : path
}
