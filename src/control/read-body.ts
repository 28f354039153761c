import type { Context } from 'hono'
import * as v from 'valibot'
import { MokaError } from '../shared/errors.ts'

/** The JSON body of a request. Throws `CONTROL_BAD_REQUEST` where it is not what it has to be. */
export async function readBody<S extends v.GenericSchema>(
  context: Context,
  schema: S,
): Promise<v.InferOutput<S>> {
  const path = new URL(context.req.url).pathname
  const refuse = (reason: string) =>
    new MokaError('CONTROL_BAD_REQUEST', `cannot answer "${path}": the request's body ${reason}`, {
      hint: 'use the same version of moka on both sides',
    })
  const input: unknown = await context.req.json().catch(() => {
    throw refuse('is not JSON')
  })
  const result = v.safeParse(schema, input, { abortEarly: true })
  if (result.success) return result.output
  const field = v.getDotPath(result.issues[0])
  throw refuse(`is malformed${field === null ? '' : ` at "${field}"`}: ${result.issues[0].message}`)
}
