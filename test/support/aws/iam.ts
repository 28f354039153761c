import { runSimulation } from '@cloud-copilot/iam-simulate'
import type { Project } from '../../../src/config/project.ts'
import { siteStackName } from '../../../src/deploy/targets/aws/stack/names.ts'
import { formatTemplate } from '../../../src/deploy/targets/aws/template/format.ts'
import { siteTemplate } from '../../../src/deploy/targets/aws/template/template.ts'
import { ACCOUNT } from './account.ts'
import {
  type Json,
  parseTemplate,
  resolve,
  type Scope,
  type Template,
} from './cloudformation/template.ts'

/** One call, as IAM sees it. */
export interface IamCall {
  /** `lambda:PublishVersion` */
  action: string
  /** ARN, or `*` for what has none. */
  resource: string
  context?: Record<string, string | string[]>
  /** CloudFormation makes it, in the name of whoever asked. */
  isByCloudFormation?: boolean
}

/** A role of a template, with everything filled in. */
export interface IamRole {
  policies: { name: string; policy: Json }[]
  boundary: Json | undefined
  trust: Json
}

const HOSTED_ZONE_ID = 'Z0123456789'

/** Ids and ARNs as AWS would give them. `PROJECT` is in the names of what has one. */
function made(id: string, project: string, resources: Template['Resources']) {
  const region = `eu-central-1:${ACCOUNT}`
  const name = resources[id]?.Properties
  const known: Record<string, { id: string; attributes: Record<string, string> }> = {
    Bucket: {
      id: `mokapot-${project}-files`,
      attributes: { Arn: `arn:aws:s3:::mokapot-${project}-files` },
    },
    KeyValueStore: {
      id: 'live',
      attributes: { Arn: `arn:aws:cloudfront::${ACCOUNT}:key-value-store/${project}-store` },
    },
    AccessLogs: {
      id: `mokapot-${project}-logs`,
      attributes: { Arn: `arn:aws:s3:::mokapot-${project}-logs` },
    },
    Distribution: { id: `E${project.toUpperCase()}`, attributes: {} },
    Api: { id: 'a1b2c3', attributes: { ApiEndpoint: 'https://a1b2c3.execute-api' } },
    Database: {
      id: `${project}-database`,
      attributes: { DbiResourceId: 'db-ABCDEF', 'Endpoint.Address': 'db.local' },
    },
    Cluster: {
      id: `${project}cluster`,
      attributes: {
        ResourceArn: `arn:aws:dsql:${region}:cluster/${project}cluster`,
        Endpoint: 'dsql.local',
      },
    },
    FunctionBoundary: {
      id: `arn:aws:iam::${ACCOUNT}:policy/mokapot/${project}/access/boundary`,
      attributes: {},
    },
    GithubProvider: {
      id: `arn:aws:iam::${ACCOUNT}:oidc-provider/token.actions.githubusercontent.com`,
      attributes: {
        Arn: `arn:aws:iam::${ACCOUNT}:oidc-provider/token.actions.githubusercontent.com`,
      },
    },
  }
  const group = name?.LogGroupName
  return (
    known[id] ?? {
      id: group ?? id,
      attributes: { Arn: group === undefined ? id : `arn:aws:logs:${region}:log-group:${group}:*` },
    }
  )
}

/** The roles of a project's template, by their ids. */
export function iamRoles(project: Project, isProviderThere = false): Map<string, IamRole> {
  const template = parseTemplate(formatTemplate(siteTemplate(project)))
  const provider = `arn:aws:iam::${ACCOUNT}:oidc-provider/token.actions.githubusercontent.com`
  const scope: Scope = {
    stackName: siteStackName(project.name),
    stackId: 'stack',
    region: 'eu-central-1',
    template,
    parameters: new Map([
      ['HostedZoneId', HOSTED_ZONE_ID],
      ['GithubProviderArn', isProviderThere ? provider : ''],
    ]),
    made: id => made(id, project.name, template.Resources),
  }
  const boundary = template.Resources.FunctionBoundary?.Properties?.PolicyDocument
  const roles = new Map<string, IamRole>()
  for (const [id, { Type, Properties = {} }] of Object.entries(template.Resources)) {
    if (Type !== 'AWS::IAM::Role') continue
    const properties = resolve(Properties, scope)
    roles.set(id, {
      policies: properties.Policies.map((policy: Json) => ({
        name: policy.PolicyName,
        policy: policy.PolicyDocument,
      })),
      boundary: properties.PermissionsBoundary === undefined ? undefined : resolve(boundary, scope),
      trust: properties.AssumeRolePolicyDocument,
    })
  }
  return roles
}

/** Whether the role may; throws where the call is none that IAM knows. */
export async function isAllowed(role: IamRole, call: IamCall): Promise<boolean> {
  const via = { 'aws:CalledVia': ['cloudformation.amazonaws.com'] }
  return decide({
    request: {
      principal: `arn:aws:sts::${ACCOUNT}:assumed-role/role/session`,
      action: call.action,
      resource: { resource: call.resource, accountId: ACCOUNT },
      contextVariables: { ...call.context, ...(call.isByCloudFormation === true ? via : {}) },
    },
    identityPolicies: role.policies,
    ...(role.boundary === undefined
      ? {}
      : { permissionBoundaryPolicies: [{ name: 'boundary', policy: role.boundary }] }),
  })
}

const GITHUB = 'token.actions.githubusercontent.com'
/** The simulator knows `sub` and `aud` of this issuer, and of GitHub other claims alone. */
const KNOWN_ISSUER = 'cognito-identity.amazonaws.com'

/** Whether a workflow with this token of GitHub gets the role. */
export async function isAssumable(
  role: IamRole,
  token: { sub: string; aud?: string },
): Promise<boolean> {
  const trust = JSON.stringify(role.trust).replaceAll(`"${GITHUB}:`, `"${KNOWN_ISSUER}:`)
  return decide({
    request: {
      principal: `arn:aws:iam::${ACCOUNT}:oidc-provider/${GITHUB}`,
      action: 'sts:AssumeRoleWithWebIdentity',
      resource: { resource: `arn:aws:iam::${ACCOUNT}:role/deploy`, accountId: ACCOUNT },
      contextVariables: {
        [`${KNOWN_ISSUER}:sub`]: token.sub,
        [`${KNOWN_ISSUER}:aud`]: token.aud ?? 'sts.amazonaws.com',
      },
    },
    identityPolicies: [],
    resourcePolicy: JSON.parse(trust),
  })
}

type Simulation = Parameters<typeof runSimulation>[0]

async function decide(
  simulation: Omit<Simulation, 'serviceControlPolicies' | 'resourceControlPolicies'>,
): Promise<boolean> {
  const result = await runSimulation(
    { ...simulation, serviceControlPolicies: [], resourceControlPolicies: [] },
    {},
  )
  if (result.resultType === 'error') {
    const { action, resource } = simulation.request
    throw new Error(
      `cannot ask IAM for ${action} on ${resource.resource}: ${JSON.stringify(result.errors)}`,
    )
  }
  return result.overallResult === 'Allowed'
}
