import type { Project, ProjectFunction } from '../../../../../config/project.ts'
import { LIVE_ALIAS } from '../../stack/names.ts'
import {
  type FunctionOrigin,
  getAtt,
  ref,
  select,
  sub,
  type TemplateFragment,
  type Value,
} from '../fragment.ts'
import { functionIds } from './function-ids.ts'

/** What the distribution is called in the template; permissions to ask function URLs name it. */
export const DISTRIBUTION_ID = 'Distribution'
const ACCESS_CONTROL_ID = 'FunctionAccessControl'
/** CloudFront waits no longer for an origin, unless a quota is raised. */
export const ORIGIN_TIMEOUT_SECONDS = 60

/** Functions that the distribution asks one by one, signing each request. */
export function functionUrls(
  project: Project,
  functions: readonly ProjectFunction[],
): { fragments: TemplateFragment[]; origins: FunctionOrigin[] } {
  if (functions.length === 0) return { fragments: [], origins: [] }
  return {
    fragments: [accessControl(project), ...functions.map(functionUrl)],
    origins: functions.map(origin),
  }
}

function accessControl(project: Project): TemplateFragment {
  return {
    resources: {
      [ACCESS_CONTROL_ID]: {
        Type: 'AWS::CloudFront::OriginAccessControl',
        Properties: {
          OriginAccessControlConfig: {
            Name: sub(`${project.name}-fn-\${AWS::Region}`), // 64 characters at most
            OriginAccessControlOriginType: 'lambda',
            SigningBehavior: 'always',
            SigningProtocol: 'sigv4',
          },
        },
      },
    },
  }
}

/** Since October 2025 whoever asks a function URL needs the right to invoke the function, too. */
function functionUrl({ name }: ProjectFunction): TemplateFragment {
  const ids = functionIds(name)
  const permission = (properties: Readonly<Record<string, Value>>) => ({
    Type: 'AWS::Lambda::Permission',
    Properties: {
      FunctionName: ref(ids.live),
      Principal: 'cloudfront.amazonaws.com',
      SourceArn: sub(
        `arn:\${AWS::Partition}:cloudfront::\${AWS::AccountId}:distribution/\${${DISTRIBUTION_ID}}`,
      ),
      ...properties,
    },
  })
  return {
    resources: {
      [ids.url]: {
        Type: 'AWS::Lambda::Url',
        DependsOn: [ids.live],
        Properties: {
          AuthType: 'AWS_IAM',
          TargetFunctionArn: ref(ids.function),
          Qualifier: LIVE_ALIAS,
        },
      },
      [ids.urlPermission]: permission({
        Action: 'lambda:InvokeFunctionUrl',
        FunctionUrlAuthType: 'AWS_IAM',
      }),
      [ids.invokePermission]: permission({
        Action: 'lambda:InvokeFunction',
        InvokedViaFunctionUrl: true,
      }),
    },
  }
}

function origin({ name, routes, timeoutMs }: ProjectFunction): FunctionOrigin {
  const seconds = Math.min(ORIGIN_TIMEOUT_SECONDS, Math.max(30, Math.ceil(timeoutMs / 1000)))
  return {
    origin: {
      Id: `function-${name}`,
      DomainName: select(2, { 'Fn::Split': ['/', getAtt(functionIds(name).url, 'FunctionUrl')] }),
      OriginAccessControlId: getAtt(ACCESS_CONTROL_ID, 'Id'),
      CustomOriginConfig: {
        OriginProtocolPolicy: 'https-only',
        OriginSSLProtocols: ['TLSv1.2'],
        OriginReadTimeout: seconds,
      },
    },
    routes,
  }
}
