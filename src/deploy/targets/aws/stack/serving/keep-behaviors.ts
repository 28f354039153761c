import { isDeepStrictEqual } from 'node:util'
import { coversPattern } from '../../../../../config/edge/path-coverage.ts'

/** `DistributionConfig` of a template, as far as it says who answers. */
export interface DistributionConfig {
  Aliases?: readonly string[]
  ViewerCertificate?: unknown
  Origins: readonly Origin[]
  OriginGroups?: { Quantity: number; Items: readonly OriginGroup[] }
  DefaultCacheBehavior: Behavior
  CacheBehaviors?: readonly Behavior[]
}

interface Origin {
  Id: string
  DomainName: unknown
  OriginPath?: string
  CustomOriginConfig?: { HTTPPort?: number; HTTPSPort?: number; OriginProtocolPolicy?: string }
}

interface OriginGroup {
  Id: string
  Members: unknown
}

interface Behavior {
  /** Absent of the default behavior. */
  PathPattern?: string
  TargetOriginId: string
  TrustedKeyGroups?: readonly unknown[]
}

/**
 * The next distribution, in which whatever a page of the live release may ask for is answered by who
 * has answered it: paths that are new are answered by their own, settings are the next ones, and what
 * either of them guards is guarded.
 */
export function keepBehaviors(
  before: DistributionConfig,
  next: DistributionConfig,
): DistributionConfig {
  const behaviors = keepList(before.CacheBehaviors ?? [], next.CacheBehaviors ?? [])
  const groups = united(before.OriginGroups?.Items, next.OriginGroups?.Items, (was, is) =>
    isDeepStrictEqual(was.Members, is.Members),
  )
  return {
    ...next,
    // Without a domain there are none; another one's certificate would not fit.
    ...(next.Aliases === undefined &&
      before.Aliases !== undefined && {
        Aliases: before.Aliases,
        ViewerCertificate: before.ViewerCertificate,
      }),
    Origins: united(before.Origins, next.Origins, isSamePlace),
    ...(groups.length > 0 && { OriginGroups: { Quantity: groups.length, Items: groups } }),
    DefaultCacheBehavior: keepAnswerer(before.DefaultCacheBehavior, next.DefaultCacheBehavior),
    ...(behaviors.length > 0 && { CacheBehaviors: behaviors }),
  }
}

/** The next ones first, as they were where they are not the same, and those that are to go. */
function united<T extends { Id: string }>(
  before: readonly T[] = [],
  next: readonly T[] = [],
  isSame: (was: T, is: T) => boolean,
): T[] {
  const kept = next.map(is => {
    const was = before.find(({ Id }) => Id === is.Id)
    return was === undefined || isSame(was, is) ? is : was
  })
  return [...kept, ...before.filter(({ Id }) => next.every(is => is.Id !== Id))]
}

function isSamePlace(was: Origin, is: Origin): boolean {
  const place = ({ DomainName, OriginPath, CustomOriginConfig: custom }: Origin) => [
    ...[DomainName, OriginPath, custom?.HTTPPort, custom?.HTTPSPort],
    custom?.OriginProtocolPolicy,
  ]
  return isDeepStrictEqual(place(was), place(is))
}

function keepAnswerer(was: Behavior, is: Behavior): Behavior {
  const groups = [...(is.TrustedKeyGroups ?? [])]
  for (const group of was.TrustedKeyGroups ?? []) {
    if (!groups.some(other => isDeepStrictEqual(other, group))) groups.push(group)
  }
  const kept = was.TargetOriginId === is.TargetOriginId ? is : was
  return groups.length === 0 ? kept : { ...kept, TrustedKeyGroups: groups }
}

/**
 * The first that matches is the one that counts. Where the next ones take no path from those of
 * before, they are in their own order; else those of before are in theirs, and what is new stands
 * before a pattern that would have all of its paths, or behind all of them.
 */
function keepList(before: readonly Behavior[], next: readonly Behavior[]): Behavior[] {
  const wasOf = (is: Behavior) => before.find(({ PathPattern }) => PathPattern === is.PathPattern)
  const isOf = (was: Behavior) => next.find(({ PathPattern }) => PathPattern === was.PathPattern)
  if (takesNothing(before, next, wasOf)) {
    return next.map(is => {
      const was = wasOf(is)
      return was === undefined ? is : keepAnswerer(was, is)
    })
  }
  const merged = before.map(was => {
    const is = isOf(was)
    return is === undefined ? was : keepAnswerer(was, is)
  })
  const old = new Set(merged)
  for (const is of next.filter(each => wasOf(each) === undefined)) {
    const at = merged.findIndex(was => old.has(was) && comesBefore(is, was))
    merged.splice(at === -1 ? merged.length : at, 0, is)
  }
  return merged
}

function takesNothing(
  before: readonly Behavior[],
  next: readonly Behavior[],
  wasOf: (is: Behavior) => Behavior | undefined,
): boolean {
  const stayed = next.flatMap(is => wasOf(is) ?? [])
  if (!isDeepStrictEqual(stayed, before)) return false
  return next.every((is, at) => {
    if (wasOf(is) !== undefined) return true
    const later = next.slice(at + 1).flatMap(each => wasOf(each) ?? [])
    return later.every(was => !overlaps(patternOf(is), patternOf(was)) || comesBefore(is, was))
  })
}

const patternOf = ({ PathPattern = '*' }: Behavior) => PathPattern

function comesBefore(is: Behavior, was: Behavior): boolean {
  const [own, other] = [patternOf(is), patternOf(was)]
  // No file that is guarded from now on may be had for a moment by an older pattern.
  if (is.TrustedKeyGroups !== undefined) return overlaps(own, other)
  return was.TrustedKeyGroups === undefined && coversPattern(other, own)
}

/** Whether there is a path that both match. */
export function overlaps(one: string, other: string): boolean {
  const seen = new Set<number>()
  const from = (i: number, j: number): boolean => {
    const key = i * (other.length + 1) + j
    if (seen.has(key)) return false
    seen.add(key)
    const [a, b] = [one[i], other[j]]
    if (a === '*') return from(i + 1, j) || (b !== undefined && from(i, j + 1))
    if (b === '*') return from(i, j + 1) || (a !== undefined && from(i + 1, j))
    if (a === undefined || b === undefined) return a === b
    return (a === b || a === '?' || b === '?') && from(i + 1, j + 1)
  }
  return from(0, 0)
}
