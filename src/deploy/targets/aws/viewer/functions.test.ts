import { transformSync } from 'esbuild'
import { expect, it } from 'vitest'
import {
  classicRequestCode,
  classicResponseCode,
  classicUrlCode,
  functionRequestCode,
  viewerRequestCode,
  viewerResponseCode,
} from './viewer-code.ts'

// What "JavaScript runtime 2.0 features for CloudFront Functions" does not list, by esbuild's names.
const UNLISTED = [
  ...['array-spread', 'arbitrary-module-namespace-names', 'async-generator', 'bigint', 'class'],
  ...['class-field', 'class-private-field', 'class-static-field', 'decorators'],
  ...['default-argument', 'destructuring', 'dynamic-import', 'for-await', 'for-of', 'generator'],
  ...['import-meta', 'logical-assignment', 'nested-rest-binding', 'new-target'],
  ...['nullish-coalescing', 'object-accessors', 'object-extensions', 'object-rest-spread'],
  ...['optional-catch-binding', 'optional-chain', 'regexp-dot-all-flag'],
  ...['regexp-lookbehind-assertions', 'regexp-match-indices', 'regexp-set-notation'],
  ...['regexp-sticky-and-unicode-flags', 'regexp-unicode-property-escapes', 'top-level-await'],
  ...['unicode-escapes', 'using'],
]

const site = {
  paths: ['/a.html'],
  redirects: [{ from: '/x/*', to: '/y' }],
  headers: [{ for: '/*', values: { 'X-Y': 'z' } }],
}
const CODES = {
  request: viewerRequestCode(),
  response: viewerResponseCode(),
  url: classicUrlCode(),
  api: functionRequestCode('api'),
  'url, with previews': functionRequestCode('url'),
  classic: classicRequestCode(site),
  'classic response': classicResponseCode(site),
}
/** Lowers what is not listed: then it is not what it was, or cannot be lowered at all. */
function usesUnlisted(code: string): boolean {
  if (code.includes('...')) return true
  const asItIs = transformSync(code, { target: 'esnext' }).code
  const supported = Object.fromEntries(UNLISTED.map(name => [name, false]))
  try {
    return transformSync(code, { target: 'esnext', supported }).code !== asItIs
  } catch {
    return true
  }
}

it.each(Object.entries(CODES))('has no syntax that is not listed: %s', (_, code) => {
  expect(usesUnlisted(code)).toBe(false)
})

it.each([
  ...['const { a } = b', 'for (const a of b) c()', 'f(...a)', 'a?.b', 'a ?? b', 'class A {}'],
  ...['try { a() } catch {}', 'const a = (b = 1) => b', 'const a = { b }', '/(?<=a)b/', '/a/u'],
])('would find %s', code => {
  expect(usesUnlisted(code)).toBe(true)
})

it.each(Object.entries(CODES))('awaits in statements of their own: %s', (_, code) => {
  // "async arguments and closures are not supported."
  expect(code).not.toMatch(/async\s*(?:\(|[\w$]+\s*=>|function\s*\()/)
  const awaits = [...code.matchAll(/(.{0,60})\bawait\b/gs)].map(([, before]) => before)
  for (const before of awaits) {
    expect(before).toMatch(/(?:=|return|[;{}]|\/\/.*)\s*$/s)
    expect(before).not.toMatch(/\([^)]*=\s*$/)
  }
})

it.each(Object.entries(CODES))(
  'asks for no timers, network, evaluation or other modules: %s',
  (_, code) => {
    expect(code).not.toMatch(
      /\b(?:setTimeout|setInterval|fetch|XMLHttpRequest|eval|Function\(|require|process)\b/,
    )
    const modules = [...code.matchAll(/\bfrom\s*["'](\w+)["']/g)].map(([, name]) => name)
    expect(modules.filter(name => name !== 'cloudfront' && name !== 'crypto')).toEqual([])
  },
)
