// Loads a handler as Lambda's Node 24 does, and answers events: a line of JSON each, from standard
// input to file descriptor 3.
import { existsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming')
const answer = value => writeSync(3, `${JSON.stringify(value)}\n`)
const describe = error => ({
  errorType: error?.name ?? 'Error',
  errorMessage: error?.message ?? String(error),
  trace: String(error?.stack ?? '').split('\n'),
})

let handler
try {
  const name = process.env._HANDLER
  const dot = name.lastIndexOf('.')
  const base = join(process.cwd(), name.slice(0, dot))
  const file = ['.js', '.mjs', '.cjs'].map(end => base + end).find(existsSync)
  if (file === undefined) throw new Error(`Cannot find module '${name.slice(0, dot)}'`)
  const module = await import(pathToFileURL(file).href)
  handler = module[name.slice(dot + 1)] ?? module.default?.[name.slice(dot + 1)]
  if (typeof handler !== 'function') throw new Error(`${name} is undefined or not exported`)
  if (handler.length > 2 && !(STREAMING in handler)) {
    throw Object.assign(new Error('callback-based handlers are not supported'), {
      name: 'Runtime.CallbackHandlerDeprecated',
    })
  }
  answer({ ready: true })
} catch (error) {
  answer({ error: describe(error) })
  process.exit(1)
}
for await (const line of createInterface({ input: process.stdin })) {
  const { event, requestId } = JSON.parse(line)
  let told
  try {
    const result = await handler(event, { awsRequestId: requestId })
    told = { result: result === undefined ? null : result }
  } catch (error) {
    told = { error: describe(error) }
  }
  // So much has been written when the answer comes.
  for (const stream of [1, 2]) writeSync(stream, `\0${requestId}\n`)
  answer(told)
}
process.exit(0)
