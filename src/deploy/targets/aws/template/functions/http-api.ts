import { createHash } from 'node:crypto'
import type { Project, ProjectFunction } from '../../../../../config/project.ts'
import { PREVIEW_DOOR_PATH } from '../../stack/names.ts'
import {
  type FunctionOrigin,
  getAtt,
  logicalId,
  mergeFragments,
  type Resource,
  ref,
  sub,
  type TemplateFragment,
  type Value,
} from '../fragment.ts'
import { projectTags } from '../tags.ts'
import { functionIds } from './function-ids.ts'
import { DOOR_ID, hasPreviewDoor, previewDoor } from './preview-door.ts'
import { type RouteKey, routeKeys } from './route-keys.ts'

const API_ID = 'Api'
/** What behaviors call the HTTP API. */
export const API_ORIGIN_ID = 'functions'
/** API Gateway lets no integration of an HTTP API take longer. */
export const API_TIMEOUT_SECONDS = 30

/**
 * The HTTP API that asks these functions, and those of previews; nothing where there is none with a
 * route.
 */
export function httpApi(
  project: Project,
  functions: readonly ProjectFunction[],
): { fragment: TemplateFragment; origins: FunctionOrigin[] } {
  const routed = functions.filter(({ routes }) => routes.length > 0)
  const hasDoor = hasPreviewDoor(project)
  if (routed.length === 0 && !hasDoor) return { fragment: { resources: {} }, origins: [] }
  const keys = routeKeys(routed)
  return {
    fragment: mergeFragments([
      api(project),
      stage(project, keys),
      ...routed.map(integration),
      ...keys.map(route),
      ...(hasDoor ? [previewDoor(project), doorRoute()] : []),
    ]),
    origins: [
      {
        origin: {
          Id: API_ORIGIN_ID,
          DomainName: sub(`\${${API_ID}}.execute-api.\${AWS::Region}.\${AWS::URLSuffix}`),
          CustomOriginConfig: {
            OriginProtocolPolicy: 'https-only',
            OriginSSLProtocols: ['TLSv1.2'],
            OriginReadTimeout: API_TIMEOUT_SECONDS,
          },
        },
        routes: routed.flatMap(({ routes }) => routes),
      },
    ],
  }
}

function api(project: Project): TemplateFragment {
  return {
    resources: {
      [API_ID]: {
        Type: 'AWS::ApiGatewayV2::Api',
        Properties: {
          Name: `mokapot-${project.name}`,
          Description: `Functions of project "${project.name}"`,
          ProtocolType: 'HTTP',
          IpAddressType: 'dualstack',
          Tags: projectTags(project),
        },
      },
    },
    outputs: {
      ApiEndpoint: {
        Description: 'Where the distribution asks functions',
        Value: getAtt(API_ID, 'ApiEndpoint'),
      },
    },
  }
}

/** Settings of a route are refused before the route is there. */
function stage(project: Project, keys: readonly RouteKey[]): TemplateFragment {
  const limited = keys.filter(({ function: { rateLimit } }) => rateLimit !== undefined)
  return {
    resources: {
      [`${API_ID}Stage`]: {
        Type: 'AWS::ApiGatewayV2::Stage',
        ...(limited.length === 0 ? {} : { DependsOn: limited.map(routeId).sort() }),
        Properties: {
          ApiId: ref(API_ID),
          StageName: '$default',
          AutoDeploy: true,
          RouteSettings: limited.length === 0 ? undefined : throttles(limited),
          Tags: projectTags(project),
        },
      },
    },
  }
}

/** A bucket of tokens: as many calls at once as the limit counts, and as many more in each period. */
function throttles(limited: readonly RouteKey[]): Value {
  return Object.fromEntries(
    limited.map(({ key, function: { rateLimit } }) => [
      key,
      {
        ThrottlingBurstLimit: rateLimit!.count,
        ThrottlingRateLimit: Number((rateLimit!.count / rateLimit!.periodSeconds).toPrecision(6)),
      },
    ]),
  )
}

function integration({ name }: ProjectFunction): TemplateFragment {
  const ids = functionIds(name)
  return { resources: integrationOf(ids, ref(ids.live)) }
}

/** `answerer`: a function, or an alias of one. */
function integrationOf(
  ids: { integration: string; apiPermission: string },
  answerer: Value,
): Record<string, Resource> {
  return {
    [ids.integration]: {
      Type: 'AWS::ApiGatewayV2::Integration',
      Properties: {
        ApiId: ref(API_ID),
        IntegrationType: 'AWS_PROXY',
        IntegrationUri: answerer,
        PayloadFormatVersion: '2.0',
      },
    },
    [ids.apiPermission]: {
      Type: 'AWS::Lambda::Permission',
      Properties: {
        Action: 'lambda:InvokeFunction',
        FunctionName: answerer,
        Principal: 'apigateway.amazonaws.com',
        SourceArn: sub(
          `arn:\${AWS::Partition}:execute-api:\${AWS::Region}:\${AWS::AccountId}:\${${API_ID}}/*/*`,
        ),
      },
    },
  }
}

function doorRoute(): TemplateFragment {
  const ids = { integration: `${DOOR_ID}Integration`, apiPermission: `${DOOR_ID}ApiPermission` }
  return {
    resources: {
      ...integrationOf(ids, getAtt(DOOR_ID, 'Arn')),
      [`${DOOR_ID}Route`]: {
        Type: 'AWS::ApiGatewayV2::Route',
        Properties: {
          ApiId: ref(API_ID),
          RouteKey: `ANY ${PREVIEW_DOOR_PATH}/{proxy+}`,
          Target: sub(`integrations/\${${ids.integration}}`),
        },
      },
    },
  }
}

function route(routeKey: RouteKey): TemplateFragment {
  const resource: Resource = {
    Type: 'AWS::ApiGatewayV2::Route',
    Properties: {
      ApiId: ref(API_ID),
      RouteKey: routeKey.key,
      Target: sub(`integrations/\${${functionIds(routeKey.function.name).integration}}`),
    },
  }
  return { resources: { [routeId(routeKey)]: resource } }
}

/**
 * Of the key alone: a route that goes over to another function is changed, where a second one of the
 * same key would be refused. With a hash, for `/a-b` and `/a/b` have the same letters.
 */
const routeId = ({ key }: RouteKey) =>
  `Route${logicalId(key.replace(/^ANY /, ''))}${createHash('sha256').update(key).digest('hex').slice(0, 6)}`
