import { describe, expect, it } from 'vitest'
import type { ReleaseManifest } from '../../../../releases/manifest.ts'
import { sampleFunction, sampleProject } from '../template/sample.contract.ts'
import { besideLive, reviewPreview, withPreviewFunctions } from './preview-functions.ts'

type Shown = Pick<ReleaseManifest, 'functions' | 'files'>
const shown = (routes: Record<string, string[]>, ...files: string[]): Shown => ({
  functions: Object.fromEntries(
    Object.entries(routes).map(([name, own]) => [
      name,
      {
        ...{ runtime: 'node', handler: `${name}.handler`, codeSha256: '0'.repeat(64), routes: own },
        ...{ timeoutMs: 5000, memoryMb: 512, environment: {} },
      } as const,
    ]),
  ),
  files: Object.fromEntries(
    files.map(path => [path, { sha256: '0'.repeat(64), size: 1, type: 'text/html' }]),
  ),
})
const project = sampleProject({
  functions: [sampleFunction('visits', { routes: ['/api/visits'] })],
})
const routesOf = ({ functions }: typeof project) =>
  Object.fromEntries(functions.map(({ name, routes }) => [name, routes]))

describe('the stack with previews', () => {
  it('has functions and routes that previews alone have, and of the project its own', () => {
    const previews = [
      shown({ visits: ['/api/visits', '/api/more'], menu: ['/api/menu/*'] }),
      shown({ menu: ['/api/menu/*'], other: ['/api/visits', '/api/other'] }),
    ]
    const whole = withPreviewFunctions(project, previews, shown({}))
    expect(routesOf(whole)).toEqual({
      ...{ visits: ['/api/visits', '/api/more'], menu: ['/api/menu/*'], other: ['/api/other'] },
    })
    expect(whole.functions[0]).toMatchObject({ memoryMb: 256 })
    expect(whole.functions[1]).toMatchObject({ memoryMb: 512, timeoutMs: 5000 })
    expect(project.functions[0]!.routes).toEqual(['/api/visits'])
  })

  it.each([
    ['/menu/*', '/menu/today.html'],
    ['/menu/*', '/menu.html'],
    ['/menu', '/menu.html'],
    ['/menu/', '/menu/index.html'],
    ['/menu', '/menu/index.html'],
    ['/style.css', '/style.css'],
    ['/*', '/index.html'],
  ])('leaves to the live site what is a file there: %s of %s', (route, file) => {
    const preview = shown({ menu: [route, '/api/menu'] })
    const live = shown({ visits: ['/api/visits'] }, file)
    expect(routesOf(withPreviewFunctions(project, [preview], live)).menu).toEqual(['/api/menu'])
    const branch = sampleProject({ functions: [sampleFunction('menu', { routes: [route] })] })
    expect(besideLive(branch, live).left).toEqual([{ route, name: 'menu' }])
    expect(routesOf(besideLive(branch, live).project).menu).toEqual([])
    // It is the live site's own route.
    const own = besideLive(branch, shown({ menu: [route] }, file))
    expect(routesOf(own.project).menu).toEqual([route])
  })

  it('takes another page for none of a route', () => {
    const live = shown({}, '/menus.html', '/other/menu.html')
    const branch = sampleProject({ functions: [sampleFunction('menu', { routes: ['/menu/*'] })] })
    expect(routesOf(besideLive(branch, live).project).menu).toEqual(['/menu/*'])
  })
})

it.each([
  ['dsql', 'external', 1],
  ['url', 'external', 1],
  ['rds', 'embedded', 0],
  ['none', 'none', 0],
  ['dsql', 'none', 0],
] as const)('says that functions of a preview have no database: %s, %s', (aws, kind, count) => {
  const { functions } = shown({ visits: ['/api/visits'] })
  const database = kind === 'external' ? { kind, urlSha256: '0'.repeat(64) } : { kind }
  const warnings = reviewPreview({ functions, database } as never, aws)
  expect(warnings.filter(text => text.includes('find no DATABASE_URL'))).toHaveLength(count)
})
