import type { Project, ProjectFunction } from '../../../../config/project.ts'
import { matchRoute, routesOf } from '../../../../edge/site/function-routes.ts'
import type {
  ReleaseDraft,
  ReleaseFunction,
  ReleaseManifest,
} from '../../../../releases/manifest.ts'

type Functions = Pick<ReleaseManifest, 'functions'>
type Site = Pick<ReleaseManifest, 'functions' | 'files'>

/**
 * The project as its stack has to have it: with the functions and routes of the previews that are
 * shown, so that they stay there whatever is deployed beside them. What the project says of a
 * function itself counts. No route takes a path from the live site that is a file there.
 */
export function withPreviewFunctions(
  project: Project,
  previews: readonly Functions[],
  live: Site | undefined,
): Project {
  const functions = project.functions.map(settings => ({ ...settings }))
  const taken = new Set(functions.flatMap(({ routes }) => routes))
  for (const preview of previews) {
    for (const [name, settings] of Object.entries(preview.functions)) {
      const routes = settings.routes.filter(
        route => !taken.has(route) && !takesFiles(route, live?.files ?? {}),
      )
      for (const route of routes) taken.add(route)
      const known = functions.find(each => each.name === name)
      if (known === undefined) functions.push(functionOf(name, settings, routes))
      else known.routes = [...known.routes, ...routes]
    }
  }
  return { ...project, functions }
}

/** The project without the routes that would take paths from the live site that are files there. */
export function besideLive(
  project: Project,
  live: Site | undefined,
): { project: Project; left: { route: string; name: string }[] } {
  if (live === undefined) return { project, left: [] }
  const had = new Set(routesOf(live.functions).map(({ pattern }) => pattern))
  const isLeft = (route: string) => !had.has(route) && takesFiles(route, live.files)
  const functions = project.functions.map(settings => ({
    ...settings,
    routes: settings.routes.filter(route => !isLeft(route)),
  }))
  const left = project.functions.flatMap(({ name, routes }) =>
    routes.filter(isLeft).map(route => ({ route, name })),
  )
  return { project: { ...project, functions }, left }
}

/** What a preview does without on AWS, for people. */
export function reviewPreview(
  { functions, database: { kind } }: Pick<ReleaseDraft, 'functions' | 'database'>,
  database: Project['aws']['database'],
): string[] {
  if (kind === 'none' || Object.keys(functions).length === 0) return []
  const reasons = {
    ...{ none: undefined, rds: undefined },
    dsql: 'Aurora DSQL has one a cluster',
    url: 'on the server of database.url there is the live one alone',
  }
  const reason = reasons[database]
  if (reason === undefined) return []
  return [
    `functions of the preview have no database, and find no DATABASE_URL: ${reason}, and no preview gets the live one`,
  ]
}

function functionOf(name: string, settings: ReleaseFunction, routes: string[]): ProjectFunction {
  const { runtime, handler, timeoutMs, memoryMb, environment } = settings
  const { secrets, reservedConcurrency, rateLimit } = settings
  return {
    // Its code is in the bucket: nothing of it is built here.
    ...{ name, runtime, handler, entry: '', routes, timeoutMs, memoryMb, environment },
    ...(secrets && { secrets }),
    ...(reservedConcurrency === undefined ? {} : { reservedConcurrency }),
    ...(rateLimit && { rateLimit: rateLimit as NonNullable<ProjectFunction['rateLimit']> }),
  }
}

/** Whether a file is asked for at a path of the route: by its name, or as pages are. */
function takesFiles(route: string, files: ReleaseManifest['files']): boolean {
  const routes = [{ pattern: route, function: '' }]
  return Object.keys(files).some(path =>
    [path, path.replace(/(?:\/index)?\.html$/, ''), path.replace(/\/index\.html$/, '/')].some(
      address => matchRoute(routes, address) !== undefined,
    ),
  )
}
