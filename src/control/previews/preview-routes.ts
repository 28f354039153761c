import type { Hono } from 'hono'
import * as v from 'valibot'
import type { Environment } from '../server.ts'
import type { PreviewsApi } from './previews-api.ts'

/** A field of a publish request. */
export const previewRequest = v.object({
  name: v.string(),
  lifetimeMs: v.exactOptional(v.number()),
  password: v.exactOptional(v.pipe(v.string(), v.minLength(1), v.maxLength(256))),
  database: v.exactOptional(v.picklist(['empty', 'copy'])),
})

export function addPreviewRoutes(app: Hono<Environment>, previews: PreviewsApi): void {
  const path = '/v1/projects/:project/previews'
  app.get(path, async context => context.json(await previews.list(context.req.param('project'))))
  app.get(`${path}/:name`, async context => {
    const { project, name } = context.req.param()
    return context.json((await previews.shown(project, name)) ?? null)
  })
  app.delete(`${path}/:name`, async context => {
    const { project, name } = context.req.param()
    await previews.remove(project, name)
    return context.json({})
  })
}
