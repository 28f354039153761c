import { expect, test } from 'vitest'
import { essenceOf, isCompressible, mediaTypeOf } from './media-types.ts'

test.each([
  ['/index.html', 'text/html; charset=utf-8'],
  ['/a/B.HTM', 'text/html; charset=utf-8'],
  ['/style.css', 'text/css; charset=utf-8'],
  ['/app.js', 'text/javascript; charset=utf-8'],
  ['/app.mjs', 'text/javascript; charset=utf-8'],
  ['/app.js.map', 'application/json; charset=utf-8'],
  ['/data.json', 'application/json; charset=utf-8'],
  ['/site.webmanifest', 'application/manifest+json; charset=utf-8'],
  ['/feed.xml', 'text/xml; charset=utf-8'],
  ['/feed.atom', 'application/atom+xml; charset=utf-8'],
  ['/logo.svg', 'image/svg+xml; charset=utf-8'],
  ['/readme.txt', 'text/plain; charset=utf-8'],
  ['/photo.avif', 'image/avif'],
  ['/photo.webp', 'image/webp'],
  ['/photo.JPG', 'image/jpeg'],
  ['/favicon.ico', 'image/vnd.microsoft.icon'],
  ['/f.woff2', 'font/woff2'],
  ['/f.woff', 'font/woff'],
  ['/f.ttf', 'font/ttf'],
  ['/m.wasm', 'application/wasm'],
  ['/cv.pdf', 'application/pdf'],
  ['/clip.mp4', 'video/mp4'],
  ['/LICENSE', 'application/octet-stream'],
  ['/folder.d/LICENSE', 'application/octet-stream'],
  ['/x.constructor', 'application/octet-stream'],
  ['/x.unknown', 'application/octet-stream'],
])('%s is %s', (path, type) => {
  expect(mediaTypeOf(path)).toBe(type)
})

test('reads the essence without parameters and case', () => {
  expect(essenceOf('Text/HTML ; charset=utf-8')).toBe('text/html')
})

test.each([
  ['text/html; charset=utf-8', true],
  ['image/svg+xml', true],
  ['application/wasm', true],
  ['image/png', false],
  ['font/woff2', false],
  ['application/octet-stream', false],
])('compressing %s is worth it: %s', (type, expected) => {
  expect(isCompressible(type)).toBe(expected)
})
