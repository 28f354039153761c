import type { Hono } from 'hono'
import * as v from 'valibot'
import { MokaError } from '../shared/errors.ts'
import { readBody } from './read-body.ts'
import type { SecretsApi } from './secrets-api.ts'
import type { Environment } from './server.ts'

const setRequest = v.object({ value: v.string() })
const buildRequest = v.object({ names: v.pipe(v.array(v.string()), v.maxLength(1000)) })

/** Values go in by `set`, and come out for a deploy that the cloud itself has started. */
export function addSecretRoutes(app: Hono<Environment>, secrets: SecretsApi): void {
  const path = '/v1/projects/:project/secrets'
  app.get(path, async context => context.json(await secrets.list(context.req.param('project'))))
  app.put(`${path}/:name`, async context => {
    const { project, name } = context.req.param()
    const { value } = await readBody(context, setRequest)
    return context.json(await secrets.set(project, name, value))
  })
  app.delete(`${path}/:name`, async context => {
    const { project, name } = context.req.param()
    await secrets.remove(project, name)
    return context.json({})
  })
  app.post('/v1/projects/:project/build-secrets', async context => {
    const { names } = await readBody(context, buildRequest)
    if (context.get('deploys') === undefined) throw writeOnly(names)
    return context.json(await secrets.forBuild(context.req.param('project'), names))
  })
}

function writeOnly(names: readonly string[]): MokaError {
  const shown = names.map(name => `"${name}"`).join(', ')
  return new MokaError(
    'CONTROL_SECRETS_WRITE_ONLY',
    `cannot read ${names.length === 1 ? 'secret' : 'secrets'} ${shown}: secrets leave the cloud for its own functions and builds alone`,
    { hint: `a build on another machine takes them from its shell: export ${names[0]}=…` },
  )
}
