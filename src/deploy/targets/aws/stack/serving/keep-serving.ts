import { isDeepStrictEqual } from 'node:util'
import type { Template } from '../../template/format.ts'
import { BOUNDARY_ID } from '../../template/functions/execution-role.ts'
import { type DistributionConfig, keepBehaviors } from './keep-behaviors.ts'
import { referencesOf } from './references.ts'

interface Resource {
  Type: string
  DependsOn?: readonly string[]
  // biome-ignore lint/suspicious/noExplicitAny: JSON of a template
  Properties?: Record<string, any>
}
type Resources = Readonly<Record<string, Resource>>

/** They are named by their content, so that each change is another one; alone they do nothing. */
const DETAILS: ReadonlySet<string> = new Set(
  [
    ...['CachePolicy', 'OriginRequestPolicy', 'ResponseHeadersPolicy'],
    ...['PublicKey', 'KeyGroup'],
  ].map(kind => `AWS::CloudFront::${kind}`),
)

/**
 * The template of a stack until the next release is live: `next`, in which nothing is taken away
 * that `before` has, and routes and paths lead where they led. It is `next` itself where that is all
 * the same.
 */
export function keepServing(before: Template, next: Template): Template {
  const [were, are] = [before.Resources as Resources, next.Resources as Resources]
  const roles = rolesOfFunctions({ ...were, ...are })
  const resources: Record<string, Resource> = {}
  for (const [id, is] of Object.entries(are)) {
    const was = were[id]
    resources[id] = was?.Type === is.Type ? keepInPlace(id, was, is, { were, are, roles }) : is
  }
  const gone = Object.entries(were).filter(([id]) => are[id] === undefined)
  for (const [id, was] of gone) if (!DETAILS.has(was.Type)) resources[id] = releasable(was)
  addNeeded(resources, Object.fromEntries(gone))
  const widened = {
    ...next,
    ...withNeeded('Conditions', before, next, resources),
    Resources: resources,
  }
  const whole = { ...widened, ...withNeeded('Parameters', before, widened, widened) }
  return isDeepStrictEqual(whole, next) ? next : whole
}

/**
 * The template of a stack that is not there yet, until its first release is live: `next`, in which
 * nothing holds the removal of what fails to come up.
 */
export function removable(next: Template): Template {
  const clusters = Object.entries(next.Resources as Resources).filter(
    ([, { Type }]) => Type === 'AWS::DSQL::Cluster',
  )
  if (clusters.length === 0) return next
  const changed = clusters.map(([id, cluster]) => [
    id,
    { ...cluster, Properties: { ...cluster.Properties, DeletionProtectionEnabled: false } },
  ])
  return { ...next, Resources: { ...next.Resources, ...Object.fromEntries(changed) } }
}

/** What the stack has and a deploy would take from it. */
export function removedBy(before: Template, next: Template): [id: string, type: string][] {
  return Object.entries(before.Resources as Resources).flatMap(([id, { Type }]) =>
    next.Resources[id] === undefined ? [[id, Type]] : [],
  )
}

interface Surroundings {
  were: Resources
  are: Resources
  roles: ReadonlySet<string>
}

function keepInPlace(
  id: string,
  was: Resource,
  is: Resource,
  { were, are, roles }: Surroundings,
): Resource {
  const [old, properties] = [was.Properties ?? {}, is.Properties ?? {}]
  const keeping = (changed: Record<string, unknown>) => ({
    ...is,
    Properties: { ...properties, ...changed },
  })
  switch (is.Type) {
    case 'AWS::CloudFront::Distribution':
      return keeping({
        DistributionConfig: keepBehaviors(
          old.DistributionConfig as DistributionConfig,
          properties.DistributionConfig as DistributionConfig,
        ),
      })
    case 'AWS::ApiGatewayV2::Route':
      return keeping({ Target: old.Target })
    case 'AWS::ApiGatewayV2::Stage':
      return keepLimits(was, is, { were, are })
    case 'AWS::IAM::Role':
      return roles.has(id)
        ? keeping({ Policies: keepPolicies(old.Policies, properties.Policies) })
        : is
    case 'AWS::IAM::ManagedPolicy':
      return id === BOUNDARY_ID
        ? keeping({
            PolicyDocument: keepStatements(old.PolicyDocument, properties.PolicyDocument),
          })
        : is
    default:
      return is
  }
}

/** Limits of routes that are to go. */
function keepLimits(
  was: Resource,
  is: Resource,
  { were, are }: Pick<Surroundings, 'were' | 'are'>,
): Resource {
  const kept: Record<string, unknown> = {}
  const ids: string[] = []
  for (const [id, { Type, Properties }] of Object.entries(were)) {
    if (Type !== 'AWS::ApiGatewayV2::Route' || are[id] !== undefined) continue
    const key = Properties?.RouteKey as string
    const limit = was.Properties?.RouteSettings?.[key]
    if (limit === undefined) continue
    kept[key] = limit
    ids.push(id)
  }
  if (ids.length === 0) return is
  return {
    ...is,
    DependsOn: [...(is.DependsOn ?? []), ...ids].sort(),
    Properties: {
      ...is.Properties,
      RouteSettings: { ...is.Properties?.RouteSettings, ...kept },
    },
  }
}

function rolesOfFunctions(resources: Resources): Set<string> {
  const functions = Object.values(resources).filter(({ Type }) => Type === 'AWS::Lambda::Function')
  return new Set(functions.flatMap(({ Properties }) => [...referencesOf(Properties?.Role)]))
}

interface Policy {
  PolicyName: string
  PolicyDocument: Document
}
interface Document {
  Statement: readonly Statement[]
}
type Statement = Readonly<Record<string, unknown>>

function keepPolicies(before: readonly Policy[] = [], next: readonly Policy[] = []): Policy[] {
  const kept = next.map(is => {
    const was = before.find(({ PolicyName }) => PolicyName === is.PolicyName)
    if (was === undefined) return is
    return { ...is, PolicyDocument: keepStatements(was.PolicyDocument, is.PolicyDocument) }
  })
  return [...kept, ...before.filter(was => next.every(is => is.PolicyName !== was.PolicyName))]
}

/** The live version of a function runs by the same role, and may do what it could. */
function keepStatements(before: Document, next: Document): Document {
  const plain = ({ Sid, ...said }: Statement) => said
  const lost = before.Statement.filter(
    was => !next.Statement.some(is => isDeepStrictEqual(plain(is), plain(was))),
  )
  const taken = new Set(next.Statement.map(({ Sid }) => Sid))
  const renamed = lost.map(({ Sid, ...said }) => {
    if (Sid === undefined) return said
    // An id is there once.
    let free = String(Sid)
    while (taken.has(free)) free += 'Before'
    taken.add(free)
    return { Sid: free, ...said }
  })
  return { ...next, Statement: [...next.Statement, ...renamed] }
}

/** A database that may be lost would hold its own removal. */
function releasable(was: Resource): Resource {
  if (was.Type !== 'AWS::RDS::DBInstance') return was
  return { ...was, Properties: { ...was.Properties, DeletionProtection: false } }
}

/** Adds what the resources speak of, until nothing is missing. */
function addNeeded(resources: Record<string, Resource>, gone: Resources): void {
  for (;;) {
    const missing = [...referencesOf(resources)].filter(
      id => resources[id] === undefined && gone[id] !== undefined,
    )
    if (missing.length === 0) return
    for (const id of missing) resources[id] = gone[id]!
  }
}

/** Conditions or parameters that what is kept speaks of, and `next` no longer has. */
function withNeeded(
  section: 'Conditions' | 'Parameters',
  before: Template,
  next: Template,
  speaking: unknown,
): Partial<Template> {
  const named = referencesOf(speaking)
  const items = Object.entries(before[section] ?? {}).filter(
    ([id]) => named.has(id) && next[section]?.[id] === undefined,
  )
  return items.length === 0 ? {} : { [section]: { ...next[section], ...Object.fromEntries(items) } }
}
