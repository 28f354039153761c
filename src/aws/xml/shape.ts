import { AwsError } from '../errors.ts'
import type { XmlElement } from './element.ts'

/**
 * How a value stands in XML, both ways. `path` leads to the element, for messages:
 * `DefaultCacheBehavior.TargetOriginId`.
 */
export interface Shape<T> {
  read(element: XmlElement, path: string): T
  /** Undefined leaves the element out. */
  write(name: string, value: T): XmlElement | undefined
  /** The value where there is no such element. Throws where there must be one. */
  absent(path: string): T
}

export type ValueOf<S> = S extends Shape<infer T> ? T : never

/** What a service cannot take; AWS's code for most of it. */
export function invalidArgument(message: string): AwsError {
  return new AwsError('InvalidArgument', 400, message)
}

function leaf(name: string, text: string): XmlElement {
  return { name, text, children: [] }
}

function required(path: string): never {
  throw invalidArgument(`${path} is required.`)
}

function textOf(element: XmlElement, path: string): string {
  if (element.children.length === 0) return element.text
  throw invalidArgument(`${path} holds a text, not elements.`)
}

export const text: Shape<string> = {
  read: textOf,
  write: leaf,
  absent: required,
}

export const integer: Shape<number> = {
  read(element, path) {
    const value = textOf(element, path).trim()
    if (/^-?\d{1,15}$/.test(value)) return Number(value)
    throw invalidArgument(`${path} is "${value}", not a whole number.`)
  },
  write: (name, value) => leaf(name, String(value)),
  absent: required,
}

export const boolean: Shape<boolean> = {
  read(element, path) {
    const value = textOf(element, path).trim()
    if (/^(?:true|false)$/i.test(value)) return value.toLowerCase() === 'true'
    throw invalidArgument(`${path} is "${value}", not true or false.`)
  },
  write: (name, value) => leaf(name, String(value)),
  absent: required,
}

/** One of a few texts. */
export function oneOf<const T extends string>(...values: readonly T[]): Shape<T> {
  return {
    read(element, path) {
      const value = textOf(element, path)
      const found = values.find(known => known === value)
      if (found !== undefined) return found
      throw invalidArgument(`${path} is "${value}", not one of ${values.join(', ')}.`)
    },
    write: leaf,
    absent: required,
  }
}

export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return {
    read: shape.read,
    write: (name, value) => (value === undefined ? undefined : shape.write(name, value)),
    absent: () => undefined,
  }
}

/** Where there is no such element it is as though this value stood there. */
export function withDefault<T>(shape: Shape<T>, value: T): Shape<T> {
  return { ...shape, absent: () => value }
}

/** Elements of one name. */
export function items<T>(itemName: string, shape: Shape<T>): Shape<readonly T[]> {
  return {
    read(element, path) {
      return element.children.map((child, index) => {
        if (child.name === itemName) return shape.read(child, `${path}[${index}]`)
        throw invalidArgument(`${path} holds ${itemName}, not ${child.name}.`)
      })
    },
    write: (name, values) => ({
      name,
      text: '',
      children: values.flatMap(value => shape.write(itemName, value) ?? []),
    }),
    absent: () => [],
  }
}

type Shapes = Readonly<Record<string, Shape<never>>>
/** Elements that have no value, for they may only be as they are by default, have no place in it. */
type Structure<S> = {
  [K in keyof S as [ValueOf<S[K]>] extends [undefined] ? never : K]: ValueOf<S[K]>
}

/** Named elements in a fixed order. One that is not known is refused by its name. */
export function structure<S extends { [K in keyof S]: Shape<ValueOf<S[K]>> }>(
  shapes: S,
): Shape<Structure<S>> {
  const known = shapes as unknown as Record<string, Shape<unknown>> satisfies Shapes | object
  return {
    read(element, path) {
      const inside = (name: string) => (path === '' ? name : `${path}.${name}`)
      const found = new Map<string, XmlElement>()
      for (const child of element.children) {
        if (!Object.hasOwn(known, child.name)) {
          throw invalidArgument(`${inside(child.name)} is not supported here: it is not known.`)
        }
        if (found.has(child.name))
          throw invalidArgument(`${inside(child.name)} stands there twice.`)
        found.set(child.name, child)
      }
      if (element.text.trim() !== '') throw invalidArgument(`${path} holds elements, not a text.`)
      const value: Record<string, unknown> = {}
      for (const [name, shape] of Object.entries(known)) {
        const child = found.get(name)
        value[name] =
          child === undefined ? shape.absent(inside(name)) : shape.read(child, inside(name))
      }
      return value as Structure<S>
    },
    write: (name, value) => ({
      name,
      text: '',
      children: Object.entries(known).flatMap(
        ([field, shape]) => shape.write(field, (value as Record<string, unknown>)[field]) ?? [],
      ),
    }),
    absent: required,
  }
}
