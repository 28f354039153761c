import { describe, expect, it } from 'vitest'
import { checkHeaders, checkRedirects, type RuleProblem } from './check-rules.ts'

const say = (problems: RuleProblem[]) =>
  problems.map(({ line, text, isFatal }) => `${isFatal ? 'error' : 'warning'} ${line}: ${text}`)

describe('_redirects', () => {
  it('has nothing to say of what the edge can do', () => {
    const text = [
      '# comment',
      '/cv /about/ 301 # why',
      '/old/* /new/:splat 302!',
      '/store id=:id /product/:id',
      '/api/* https://api.example/:splat 200',
      '/app/* 200',
      '/* /de/:splat 302 Language=de,at Cookie=beta',
      'https://www.site.example/* https://site.example/:splat 301!',
      '/closed /sorry.html 503',
    ].join('\n')
    expect(checkRedirects(text)).toEqual([])
  })

  it.each([
    ['/foo', 'error 2: "/foo" has no destination'],
    ['/foo bar', 'error 2: "bar" is no destination: one begins with "/" or "https://"'],
    ['/foo /bar 999', 'error 2: "999" is no status of a rule'],
    ['/foo /bar 200x', 'error 2: "200x" is no status of a rule'],
    ['/foo /bar Language=de', 'error 2: "Language=de" is no status of a rule'],
    ['/foo /bar 302 Lang=de', 'error 2: "Lang=de" is no condition'],
    ['/foo /bar 302 cookie=a', 'error 2: "cookie=a" is no condition'],
    ['/foo /bar 302 Language', 'error 2: "Language" is no condition'],
  ])('is refused with the line for %j', (rule, said) => {
    expect(say(checkRedirects(`# first\r\n${rule}\r\n`))).toEqual([said])
  })

  it.each(['Role=admin', 'role=admin', 'Sign=KEY'])('warns of %s', condition => {
    const [problem] = checkRedirects(`/a /b 302 ${condition}`)
    expect(problem).toMatchObject({ line: 1, isFatal: false })
    expect(problem?.text).toContain(`condition "${condition}" `)
  })
})

describe('_headers', () => {
  it('has nothing to say of what the edge can do', () => {
    const text =
      '# c\n/*\n  X-One: 1\n  Link: <https://a.example/>; rel=x\n/a\n  Basic-Auth: me:pw\n'
    expect(checkHeaders(text)).toEqual([])
  })

  it.each([
    ['X-Foo bar', 'error 2: "X-Foo bar" has no colon'],
    ['X Foo: bar', 'error 2: "X Foo" is no name of a header'],
    [': bar', 'error 2: "" is no name of a header'],
    ['X-Foo:', 'error 2: header "X-Foo" has no value'],
    ['X-Foo: a\u0007b', 'error 2: the value of header "X-Foo" has a control character'],
    ['https://a.example/*', 'error 2: "https://a.example/*" is no path'],
  ])('is refused with the line for %j', (line, said) => {
    expect(say(checkHeaders(`/*\n  ${line}\n`))).toEqual([said])
  })

  it('is refused where a header stands before any path', () => {
    expect(say(checkHeaders('\nX-Foo: bar\n/*\n'))).toEqual([
      'error 2: header "X-Foo" stands before any path',
    ])
  })

  it('hints at the colon', () => {
    expect(checkHeaders('/*\nX-Foo bar baz')[0]?.hint).toBe('X-Foo: bar baz')
  })

  it.each(['Server', 'content-length', 'X-Moka-Release'])('warns that %s is not settable', name => {
    expect(say(checkHeaders(`/*\n  ${name}: x`))).toEqual([
      `warning 2: header "${name}" has no effect: the edge sets it itself`,
    ])
  })
})
