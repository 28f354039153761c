import { describe, expect, it } from 'vitest'
import type { Project, ProjectFunction } from '../../../../../config/project.ts'
import { backendFragments } from '../backend.ts'
import { mergeFragments } from '../fragment.ts'
import { sampleFunction, sampleProject } from '../sample.contract.ts'
import { routeKeys } from './route-keys.ts'

type Properties = Record<string, unknown>
const templateOf = (project: Project) => mergeFragments(backendFragments(project).fragments)
const withFunctions = (functions: ProjectFunction[], aws = {}) => sampleProject({ functions, aws })
function properties(project: Project, id: string): Properties {
  return { ...templateOf(project).resources[id]?.Properties }
}

describe('a function in the template', () => {
  it('has what the configuration says of memory, time, logs and runtime', () => {
    const functions = [
      sampleFunction('visits', { runtime: 'python', memoryMb: 512, timeoutMs: 2500 }),
      sampleFunction('render'),
    ]
    const project = withFunctions(functions, { logRetentionDays: 7, tags: { team: 'web' } })
    expect(properties(project, 'VisitsFunction')).toMatchObject({
      FunctionName: 'mokapot-site_visits',
      Architectures: ['arm64'],
      Runtime: 'python3.13',
      MemorySize: 512,
      Timeout: 3,
      LoggingConfig: { LogGroup: { Ref: 'VisitsFunctionLogs' } },
      Tags: [
        { Key: 'team', Value: 'web' },
        { Key: 'mokapot:project', Value: 'site' },
      ],
    })
    expect(properties(project, 'RenderFunction').Runtime).toBe('nodejs24.x')
    expect(properties(project, 'VisitsFunctionLogs')).toMatchObject({
      LogGroupName: '/aws/lambda/mokapot-site_visits',
      RetentionInDays: 7,
    })
  })

  it('leaves code, variables and secrets to releases', () => {
    const project = withFunctions([
      sampleFunction('visits', { environment: { GREETING: 'hello' }, secrets: ['STRIPE_KEY'] }),
    ])
    expect(properties(project, 'VisitsFunction')).not.toHaveProperty('Environment')
    expect(JSON.stringify(templateOf(project))).not.toMatch(/GREETING|STRIPE_KEY/)
  })

  it('has a version and an alias that no change of the configuration changes', () => {
    const one = templateOf(withFunctions([sampleFunction('visits')])).resources
    const other = templateOf(
      sampleProject({
        domain: 'example.org',
        functions: [
          sampleFunction('visits', {
            runtime: 'python',
            memoryMb: 1024,
            timeoutMs: 60_000,
            reservedConcurrency: 3,
            environment: { A: 'b' },
          }),
        ],
        aws: { database: 'rds', tags: { team: 'web' }, logRetentionDays: 1 },
      }),
    ).resources
    for (const id of ['VisitsFunctionVersion', 'VisitsFunctionLive']) {
      expect(one[id]).toBeDefined()
      expect(other[id]).toEqual(one[id])
    }
    expect(one.VisitsFunctionLive?.Properties?.Name).toBe('live')
  })

  it('keeps executions for itself only where the account allows it, but is stopped anywhere', () => {
    const project = withFunctions([
      sampleFunction('visits', { reservedConcurrency: 5 }),
      sampleFunction('stopped', { reservedConcurrency: 0 }),
    ])
    expect(properties(project, 'VisitsFunction').ReservedConcurrentExecutions).toEqual({
      'Fn::If': ['ReservesConcurrency', 5, { Ref: 'AWS::NoValue' }],
    })
    expect(properties(project, 'StoppedFunction').ReservedConcurrentExecutions).toBe(0)
    const { parameters } = templateOf(project)
    expect(parameters.AllowsReservedConcurrency).toMatchObject({ Default: 'false' })
    const without = templateOf(withFunctions([sampleFunction('visits')]))
    expect(without.parameters).toEqual({})
  })

  it('answers 503 until there is a release', async () => {
    const { Code } = properties(withFunctions([sampleFunction('render')]), 'RenderFunction')
    const { ZipFile } = Code as { ZipFile: string }
    const exports: { handler?: () => Promise<{ statusCode: number; body: string }> } = {}
    new Function('exports', ZipFile)(exports)
    expect(await exports.handler?.()).toMatchObject({ statusCode: 503 })
    expect((await exports.handler?.())?.body).toBe('This function has no release yet.\n')
  })
})

describe('routes of functions', () => {
  const keysOf = (functions: Record<string, string[]>) =>
    Object.fromEntries(
      routeKeys(
        Object.entries(functions).map(([name, routes]) => sampleFunction(name, { routes })),
      ).map(({ key, function: { name } }) => [key, name]),
    )

  it('are a path and everything below it, which the function finds as `proxy`', () => {
    expect(keysOf({ visits: ['/api/visits', '/api/visits/*'] })).toEqual({
      'ANY /api/visits': 'visits',
      'ANY /api/visits/{proxy+}': 'visits',
    })
  })

  it('lead to the function that has the very path, before one that has it with a star', () => {
    expect(keysOf({ shop: ['/api/shop/*'], front: ['/api/shop'] })).toEqual({
      'ANY /api/shop': 'front',
      'ANY /api/shop/{proxy+}': 'shop',
    })
  })

  it('are all the rest for /*', () => {
    expect(keysOf({ app: ['/*'], home: ['/'] })).toEqual({ $default: 'app', 'ANY /': 'home' })
  })
})

describe('the HTTP API', () => {
  const limit = { count: 5, periodSeconds: 60, per: 'client' } as const

  it('throttles each route of a function that has a limit, after the route is there', () => {
    const project = withFunctions([
      sampleFunction('visits', { rateLimit: limit }),
      sampleFunction('render'),
    ])
    const stage = templateOf(project).resources.ApiStage
    const throttle = { ThrottlingBurstLimit: 5, ThrottlingRateLimit: 0.0833333 }
    expect(stage?.Properties).toMatchObject({
      StageName: '$default',
      AutoDeploy: true,
      RouteSettings: {
        'ANY /api/visits': throttle,
        'ANY /api/visits/{proxy+}': throttle,
      },
    })
    expect(stage?.DependsOn).toEqual([
      expect.stringMatching(/^RouteApiVisits[0-9a-f]{6}$/),
      expect.stringMatching(/^RouteApiVisitsProxy[0-9a-f]{6}$/),
    ])
  })

  it('asks what is live, by the payload that functions have at home', () => {
    const project = withFunctions([sampleFunction('visits')])
    expect(properties(project, 'VisitsFunctionIntegration')).toMatchObject({
      IntegrationType: 'AWS_PROXY',
      PayloadFormatVersion: '2.0',
      IntegrationUri: { Ref: 'VisitsFunctionLive' },
    })
    expect(properties(project, 'VisitsFunctionApiPermission')).toMatchObject({
      Principal: 'apigateway.amazonaws.com',
      FunctionName: { Ref: 'VisitsFunctionLive' },
    })
  })

  it('is not made for functions that nobody asks by a path, or that have their own URL', () => {
    const quiet = withFunctions([sampleFunction('cron', { routes: [] })])
    expect(templateOf(quiet).resources).not.toHaveProperty('Api')
    expect(backendFragments(quiet).origins).toEqual([])
    const settings = { functionUrls: ['render'], mode: 'classic' as const }
    const own = withFunctions([sampleFunction('render')], settings)
    expect(templateOf(own).resources).not.toHaveProperty('Api')
    expect(templateOf(own).outputs).not.toHaveProperty('ApiEndpoint')
  })
})

describe('the door to functions of previews', () => {
  it('is behind the HTTP API, and asks nothing but previews, outside of the network', () => {
    const project = withFunctions([sampleFunction('render')], {
      ...{ functionUrls: ['render'], database: 'rds' as const },
    })
    const { resources } = templateOf(project)
    expect(resources.PreviewDoorRoute?.Properties).toMatchObject({
      RouteKey: 'ANY /.well-known/mokapot/functions/{proxy+}',
      Target: { 'Fn::Sub': `integrations/\${PreviewDoorIntegration}` },
    })
    expect(properties(project, 'PreviewDoor')).not.toHaveProperty('VpcConfig')
    const [{ PolicyDocument }] = properties(project, 'PreviewDoorRole').Policies as [
      { PolicyDocument: { Statement: { Action: string[]; Resource: unknown }[] } },
    ]
    expect(PolicyDocument.Statement.slice(1)).toEqual([
      {
        ...{ Sid: 'Previews', Effect: 'Allow', Action: ['lambda:InvokeFunction'] },
        Resource: {
          'Fn::Sub': `arn:\${AWS::Partition}:lambda:\${AWS::Region}:\${AWS::AccountId}:function:mokapot-site_*:preview-*`,
        },
      },
    ])
  })

  it('is not made in classic mode, which has no previews', () => {
    const project = withFunctions([sampleFunction('render')], { mode: 'classic' })
    expect(templateOf(project).resources).not.toHaveProperty('PreviewDoor')
  })
})

describe('a function URL', () => {
  const project = withFunctions([sampleFunction('render', { timeoutMs: 45_000 })], {
    functionUrls: ['render'],
  })

  it('leads to what is live, and opens to this distribution alone, by both rights it takes', () => {
    expect(properties(project, 'RenderFunctionUrl')).toMatchObject({
      AuthType: 'AWS_IAM',
      Qualifier: 'live',
    })
    const permissions = ['RenderFunctionUrlPermission', 'RenderFunctionInvokePermission'].map(id =>
      properties(project, id),
    )
    for (const permission of permissions) {
      expect(permission.Principal).toBe('cloudfront.amazonaws.com')
      expect(JSON.stringify(permission.SourceArn)).toContain(`distribution/\${Distribution}`)
    }
    expect(permissions.map(({ Action }) => Action)).toEqual([
      'lambda:InvokeFunctionUrl',
      'lambda:InvokeFunction',
    ])
    expect(permissions[1]?.InvokedViaFunctionUrl).toBe(true)
  })

  it('is an origin that CloudFront signs for and waits for as long as the function has', () => {
    const [only] = backendFragments(project).origins
    expect(only?.routes).toEqual(['/api/render', '/api/render/*'])
    expect(only?.origin).toMatchObject({
      Id: 'function-render',
      OriginAccessControlId: { 'Fn::GetAtt': ['FunctionAccessControl', 'Id'] },
      CustomOriginConfig: { OriginProtocolPolicy: 'https-only', OriginReadTimeout: 45 },
    })
  })
})

describe('warnings', () => {
  it('tell what the HTTP API and CloudFront do otherwise', () => {
    const warn = (settings: Partial<ProjectFunction>, functionUrls: string[] = []) =>
      backendFragments(withFunctions([sampleFunction('a', settings)], { functionUrls })).warnings
    expect(warn({})).toEqual([])
    expect(warn({ timeoutMs: 31_000 })).toEqual([
      'function "a" has 31 s, and the HTTP API answers 503 after 30 s: name it in aws.functionUrls, or let it end sooner',
    ])
    expect(warn({ timeoutMs: 31_000 }, ['a'])).toEqual([])
    expect(warn({ timeoutMs: 61_000 }, ['a'])).toEqual([
      'function "a" has 61 s, and CloudFront answers 504 after 60 s without an octet of it',
    ])
    expect(warn({ timeoutMs: 900_000, routes: [] })).toEqual([])
    expect(warn({ rateLimit: { count: 1, periodSeconds: 1, per: 'client' } })).toEqual([
      'function "a" has a rateLimit for each client, and the HTTP API counts all of them together',
    ])
    expect(warn({ rateLimit: { count: 1, periodSeconds: 1, per: 'function' } })).toEqual([])
  })
})
