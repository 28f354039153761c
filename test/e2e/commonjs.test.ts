import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ControlClient, controlOf, deployFrom } from '../support/deploying.ts'
import { remove, startUp, type TestCloud, temporaryFolder, writeProject } from '../support/moka.ts'

// AWS handlers as most of them are written: CommonJS modules. They run as they are.

const HANDLERS = {
  'exports.js': `exports.handler = async event => ({ said: event.say })\n`,
  'object.js': `
    const handler = (event, context, callback) => callback(null, { said: event.say })
    module.exports = { handler }\n`,
  'named.cjs': `
    const { say } = require('./say')
    module.exports.handler = async event => ({ said: say(event), at: __filename })\n`,
  'typed.ts': `
    interface Event { say: string }
    export = { handler: async (event: Event) => ({ said: event.say }) }\n`,
  'passed-on.js': `module.exports = require('./exports')\n`,
} as const

let folder: string
let home: string
let cloud: TestCloud
let client: ControlClient

beforeAll(async () => {
  folder = await temporaryFolder('commonjs')
  home = await temporaryFolder('home')
  const functions = Object.keys(HANDLERS).map(
    entry => `'${entry.split('.')[0]}': { entry: '${entry}' }`,
  )
  await writeProject(folder, {
    ...HANDLERS,
    'say.js': `exports.say = event => event.say\n`,
    'moka.config.ts': `export default { name: 'site', functions: { ${functions.join(', ')} } }\n`,
  })
  cloud = await startUp(home)
  client = await controlOf(home)
  await deployFrom(folder, client)
})

afterAll(async () => {
  client?.close()
  await cloud?.stop()
  await remove(folder)
  await remove(home)
})

test.each(Object.keys(HANDLERS))('the handler of %s runs unchanged', async entry => {
  const { payload } = await client.invoke('site', entry.split('.')[0]!, { say: 'hello' })
  expect(payload).toMatchObject({ said: 'hello' })
})
