import type { Hono } from 'hono'
import type { Environment } from '../server.ts'
import type { NotificationsApi } from './notifications-api.ts'

export function addNotificationRoutes(
  app: Hono<Environment>,
  notifications: NotificationsApi,
): void {
  const path = '/v1/projects/:project/notifications'
  app.post(`${path}/test`, async context =>
    context.json(await notifications.test(context.req.param('project'))),
  )
  app.get(`${path}/key`, async context =>
    context.json({ key: await notifications.key(context.req.param('project')) }),
  )
}
