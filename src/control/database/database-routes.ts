import { Readable } from 'node:stream'
import type { Hono } from 'hono'
import type { Environment } from '../server.ts'
import type { DatabaseApi } from './database-api.ts'

export function addDatabaseRoutes(app: Hono<Environment>, database: DatabaseApi): void {
  const path = '/v1/projects/:project/database'
  app.post(`${path}/migrate`, async context =>
    context.json(await database.migrate(context.req.param('project'))),
  )
  app.get(`${path}/backup`, async context => {
    const backup = await database.backup(context.req.param('project'))
    const body = Readable.toWeb(Readable.from(backup)) as ReadableStream
    return context.body(body, 200, { 'content-type': 'application/gzip' })
  })
  app.post(`${path}/restore`, async context => {
    const isReplacing = context.req.query('replace') !== undefined
    const project = context.req.param('project')
    const { incoming } = context.env
    const content = incoming.iterator({ destroyOnReturn: false })
    try {
      return context.json(await database.restore(project, content, { isReplacing }))
    } finally {
      incoming.resume() // who still sends is to read why it was refused
    }
  })
}
