import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { templateProjects } from '../../../../../test/support/aws/templates/projects.ts'
import {
  checkReferences,
  ServiceSpec,
} from '../../../../../test/support/aws/templates/service-spec.ts'
import { type Project, resolveProject } from '../../../../config/project.ts'
import { formatTemplate, type Template } from './format.ts'
import { domainTemplate, siteTemplate, templateWarnings } from './template.ts'

vi.mock('mokapot', () => ({ defineConfig: (config: unknown) => config, hasPython: () => true }))

const FIXTURES = new URL('../../../../../test/fixtures/aws-templates/', import.meta.url).pathname
const EXAMPLE = new URL('../../../../../examples/portfolio/', import.meta.url).pathname

const projects = templateProjects()
projects.set('portfolio', await portfolio())
const templates = [...projects].flatMap(([name, project]) => {
  const domain = domainTemplate(project)
  const site = { name, region: project.aws.region, template: siteTemplate(project) }
  return domain === undefined
    ? [site]
    : [site, { name: `${name}.domain`, region: 'us-east-1', template: domain }]
})

/** The example, as its own file has it. */
async function portfolio(): Promise<Project> {
  const { default: config } = await import(join(EXAMPLE, 'moka.config.ts'))
  const aws = { region: 'us-east-1' }
  return resolveProject({ aws, ...config }, EXAMPLE, 'moka.config.ts')
}

describe('templates', () => {
  // To renew them: npx vitest run src/deploy/targets/aws/template/template.test.ts -u
  it.each(templates)('are as they were: $name', async ({ name, template }) => {
    const text = formatTemplate(withoutCode(template))
    await expect(text).toMatchFileSnapshot(join(FIXTURES, `${name}.json`))
  })

  it.each(templates)(
    'name nothing that is not there, and need nothing in a circle: $name',
    ({ template }) => {
      expect(checkReferences(template as never)).toEqual([])
    },
  )

  it('are the same each time', () => {
    for (const project of projects.values()) {
      expect(formatTemplate(siteTemplate(project))).toBe(formatTemplate(siteTemplate(project)))
    }
  })

  it('take less than 200 ms', () => {
    for (const [name, project] of projects) {
      // The best of three: others may be using the machine.
      const times = [1, 2, 3].map(() => {
        const from = performance.now()
        formatTemplate(siteTemplate(project))
        domainTemplate(project)
        return performance.now() - from
      })
      expect(Math.min(...times), name).toBeLessThan(200)
    }
  })

  it('have our tag and those of the project on all that takes tags', async () => {
    const spec = await ServiceSpec.load()
    for (const { name, template } of templates) {
      for (const [id, resource] of Object.entries(template.Resources)) {
        const { Type, Properties = {} } = resource as { Type: string; Properties?: object }
        const tags = spec.resource(Type)?.tagInformation?.tagPropertyName
        if (tags === undefined) continue
        const text = JSON.stringify((Properties as Record<string, unknown>)[tags] ?? null)
        expect(text, `${name}: ${id} (${Type})`).toContain('mokapot:project')
        if (name === 'everything') expect(text, id).toContain('cost centre')
      }
    }
  })
})

describe('templates, by what AWS publishes of its resources', () => {
  let spec: ServiceSpec
  beforeAll(async () => {
    spec = await ServiceSpec.load()
  })

  it.each(templates)(
    'have no property, type or attribute that there is not: $name',
    ({ template }) => {
      expect(spec.check(template)).toEqual([])
    },
  )

  it('would be told of a wrong property, a missing one, a wrong type and a wrong attribute', () => {
    const { template } = templates.find(({ name }) => name === 'static')!
    const broken = structuredClone(template) as unknown as {
      Resources: Record<string, { Properties: Record<string, Record<string, unknown>> }>
      Outputs: Record<string, object>
    }
    const { Bucket, Distribution, BucketPolicy, FilesAccess } = broken.Resources
    Bucket!.Properties.BucketEncription = {}
    const config = Distribution!.Properties.DistributionConfig!
    config.Enabled = 'yes'
    delete (config.DefaultCacheBehavior as Record<string, unknown>).TargetOriginId
    ;(Bucket!.Properties.VersioningConfiguration as Record<string, unknown>).Status = 'On'
    delete BucketPolicy!.Properties.Bucket
    broken.Resources.Extra = { Type: 'AWS::S3::Bukket', Properties: {} } as never
    FilesAccess!.Properties.OriginAccessControlConfig!.Name = { 'Fn::Sub': `\${Bucket.Arm}` }
    broken.Outputs.BucketName = { Value: { 'Fn::GetAtt': ['Bucket', 'Name'] } }
    expect(spec.check(broken as never)).toEqual([
      'Bucket.Properties.VersioningConfiguration.Status: "On" is none of Enabled, Suspended',
      'Bucket.Properties: there is no property "BucketEncription"',
      'BucketPolicy.Properties: has no "Bucket", which is required',
      'Distribution.Properties.DistributionConfig.Enabled: is no boolean, but "yes"',
      'Distribution.Properties.DistributionConfig.DefaultCacheBehavior: has no "TargetOriginId", which is required',
      'Extra: there is no resource type "AWS::S3::Bukket"',
      'Resources.FilesAccess.Properties.OriginAccessControlConfig.Name: AWS::S3::Bucket has no attribute "Arm"',
      'Outputs.BucketName.Value: AWS::S3::Bucket has no attribute "Name"',
    ])
  })

  it('would be told of a reference that leads nowhere, and of a circle', () => {
    const Resources = {
      A: { Properties: { x: { Ref: 'B' } } },
      B: { Properties: { x: { 'Fn::Sub': `\${C.Arn} \${!not} \${D}` } }, Condition: 'No' },
      C: { DependsOn: ['A', 'E'] },
    }
    expect(checkReferences({ Resources } as never)).toEqual([
      'Resources.B.Properties.x: there is no "D"',
      'C.DependsOn: there is no "E"',
      'B.Condition: there is no "No"',
      'circle: A → B → C → A',
    ])
  })
})

const cfnLint = spawnSync('cfn-lint', ['--version'], { encoding: 'utf8' })
const noCfnLint = cfnLint.status === 0 ? undefined : 'cfn-lint is not on PATH'

describe(`templates, by cfn-lint${noCfnLint === undefined ? '' : ` (skipped: ${noCfnLint})`}`, () => {
  const directory = mkdtempSync(join(tmpdir(), 'moka-cfn-lint-'))
  afterAll(() => rmSync(directory, { recursive: true }))

  it.skipIf(noCfnLint !== undefined).each([...new Set(templates.map(({ region }) => region))])(
    'have no errors and no warnings in %s',
    region => {
      const files = templates
        .filter(template => template.region === region)
        .map(({ name, template }) => {
          const file = join(directory, `${name}.json`)
          writeFileSync(file, formatTemplate(template))
          return file
        })
      const found = spawnSync('cfn-lint', ['--regions', region, '--', ...files], {
        encoding: 'utf8',
        timeout: 240_000,
      })
      expect(found.stdout + found.stderr).toBe('')
      expect(found.status).toBe(0)
    },
    300_000,
  )
})

it('says what AWS does otherwise', () => {
  const warnings = Object.fromEntries(
    [...projects].map(([name, project]) => [name, templateWarnings(project)]),
  )
  expect(Object.entries(warnings).filter(([, list]) => list.length > 0)).toMatchSnapshot()
})

it('refuses a region of the environment that is none, or where CloudFront is not', () => {
  const project = projects.get('domain')!
  for (const region of ['eu_central_1', 'cn-north-1']) {
    const elsewhere = { ...project, aws: { ...project.aws, region } }
    expect(() => siteTemplate(elsewhere)).toThrow(`"${region}" is not the name of a region`)
    expect(() => domainTemplate(elsewhere)).toThrow(`"${region}" is not the name of a region`)
  }
})

/** The code of the viewer functions is looked at where it is made, and changes with its comments. */
function withoutCode(template: Template): Template {
  const Resources = Object.fromEntries(
    Object.entries(template.Resources).map(([id, resource]) => {
      const { Type, Properties } = resource as { Type: string; Properties?: object }
      return Type === 'AWS::CloudFront::Function'
        ? [id, { ...resource, Properties: { ...Properties, FunctionCode: '…' } }]
        : [id, resource]
    }),
  )
  return { ...template, Resources }
}
