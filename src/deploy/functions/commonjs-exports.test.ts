import { transform } from 'esbuild'
import { expect, test } from 'vitest'
import { readCommonJsExports } from './commonjs-exports.ts'

async function read(source: string) {
  const { code } = await transform(source, { minifyWhitespace: true, legalComments: 'none' })
  const { names, mayHaveMore } = readCommonJsExports(code)
  return { names: [...names], mayHaveMore }
}

test.each([
  [`exports.handler = async () => 1`, ['handler']],
  [`module.exports.handler = 1; exports['b'] = 2`, ['handler', 'b']],
  [`exports.a = exports.b = void 0`, ['a', 'b']],
  [`Object.defineProperty(exports, '__esModule', { value: true })`, ['__esModule']],
  [`module.exports = { handler, other: () => ({ inner: [1, { x: 2 }] }), }`, ['handler', 'other']],
  [`exports = module.exports = { 'handler': 1 }`, ['handler']],
  [
    `module.exports = { async handler(e) { return "a{b" }, get x() { return 1 }, *y() {} }`,
    ['handler', 'x', 'y'],
  ],
  [`module.exports = {}`, []],
  [`// exports.handler = 1\nconst handler = 'exports.b = 1'; exports.a === 1`, []],
])('reads all names of %s', async (source, names) => {
  expect(await read(source)).toEqual({ names, mayHaveMore: false })
})

test.each([
  `module.exports = require('./other')`,
  `module.exports = { ...require('./other') }`,
  `module.exports = { [name]: 1 }`,
  `module.exports = new App()`,
  `module.exports = { a: /["{]/, handler }`,
  `Object.assign(exports, all)`,
  `__exportStar(require('./other'), exports)`,
  `const e = exports; e.handler = 1`,
  `exports[name] = 1`,
  `(function (m) { m.exports = 1 })(module)`,
])('knows that there may be more than it can read in %s', async source => {
  expect((await read(source)).mayHaveMore).toBe(true)
})
