import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { resolveProject } from '../../config/project.ts'
import type { MokaConfig } from '../../config/schema.ts'
import { scoreChallenge } from './challenge.ts'
import type { Answer, Handshake, Place } from './place.ts'
import type { Outcome } from './step.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'moka-crc-'))
  write('functions/visits.py', 'def handler(event, context): ...')
  write('functions/visits.ts', 'export const handler = () => 1')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function write(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}

function git(...args: string[]): void {
  const identity = ['-c', 'user.name=ann', '-c', 'user.email=ann@example.org']
  execFileSync('git', ['-C', root, ...identity, ...args], { stdio: 'ignore' })
}

const PAGE = `<title>Ann</title><link rel="stylesheet" href="/a.css"><script src="a.js"></script><h1>Ann</h1>`
const SCRIPT = `fetch('/api/visits', { method: 'POST' }).then(show)`

/** A place in which everything is done. */
interface Given {
  /** By path; undefined: 404. */
  files: Record<string, { type: string; body: string; status?: number } | undefined>
  /** What the function answers, one after another. */
  counts: unknown[]
  runtime: 'python' | 'node'
  handshake: Partial<Handshake> | Error
  addresses: string[] | Error
  kind: Place['kind']
  isDown: boolean
  fields: Record<string, string>
  apiStatus: number
  made: string | undefined
  functions: Place['functions'] | undefined
}

const ALL: Given = {
  files: {
    '/': { type: 'text/html; charset=utf-8', body: PAGE },
    '/a.css': { type: 'text/css', body: 'h1 { color: brown }' },
    '/a.js': { type: 'text/javascript', body: SCRIPT },
  },
  counts: [{ count: 7 }, { count: 8 }],
  runtime: 'python',
  handshake: {},
  addresses: ['192.0.2.7'],
  kind: 'home',
  isDown: false,
  fields: { 'x-moka-release': 'r-1' },
  apiStatus: 200,
  made: 'release r-1',
  functions: undefined,
}

function placeOf(given: Given): Place & { asked: string[] } {
  const counts = [...given.counts]
  const asked: string[] = []
  const answer = (status: number, type: string, body: string): Answer => ({
    status,
    headers: { 'content-type': type, ...given.fields },
    body,
    bytes: Buffer.byteLength(body),
  })
  return {
    kind: given.kind,
    address: 'http://127.0.0.1:1',
    host: 'ann.example',
    functions: given.functions ?? {
      visits: { runtime: given.runtime, routes: ['/api/visits'] },
    },
    live: 'r-1',
    ...(given.made !== undefined && { made: given.made }),
    asked,
    async ask(path, method = 'GET') {
      if (given.isDown) throw new Error('connect ECONNREFUSED')
      asked.push(`${method} ${path}`)
      if (path === '/api/visits') {
        if (method === 'GET') return answer(405, 'text/plain', 'no')
        return answer(given.apiStatus, 'application/json', JSON.stringify(counts.shift()))
      }
      const file = given.files[path]
      return file === undefined
        ? answer(404, 'text/html', 'no such page')
        : answer(file.status ?? 200, file.type, file.body)
    },
    async handshake() {
      if (given.handshake instanceof Error) throw given.handshake
      return { protocol: 'TLSv1.3', issuer: 'Some CA', isTrusted: true, ...given.handshake }
    },
    async resolve() {
      if (given.addresses instanceof Error) throw given.addresses
      return { addresses: given.addresses, server: '127.0.0.1:53' }
    },
    close() {},
  }
}

const CONFIG: Partial<MokaConfig> = {
  domain: 'ann.example',
  functions: { visits: { entry: 'functions/visits.py', routes: ['/api/visits'] } },
  database: true,
  test: 'python3 -m unittest',
}

function score(given: Partial<Given> = {}, config: Partial<MokaConfig> = {}) {
  const site = { directory: 'dist', build: 'true' }
  const project = resolveProject(
    { name: 'ann', site, ...CONFIG, ...config },
    root,
    'moka.config.ts',
  )
  return scoreChallenge(project, placeOf({ ...ALL, ...given }))
}

async function outcome(
  number: number,
  given: Partial<Given> = {},
  config: Partial<MokaConfig> = {},
): Promise<Outcome & { text: string }> {
  const { steps } = await score(given, config)
  const found = steps.find(step => step.number === number)!.outcome
  const text =
    found.kind === 'done' ? found.evidence : found.kind === 'missing' ? found.lacks : found.why
  return { ...found, text }
}

const files = (changed: Given['files']) => ({ files: { ...ALL.files, ...changed } })
const html = (body: string) => files({ '/': { type: 'text/html', body } })

const WORKFLOW = `on:
  push:
    branches: [main]
jobs:
  deploy:
    steps:
      - run: npx --package mokapot moka deploy --test
`

/** A repository with tests and a workflow. */
function prepareFolder(): void {
  write('moka.config.ts', '')
  write('tests/test_visits.py', 'class T:\n    def test_counts(self):\n        pass\n')
  write('.github/workflows/deploy.yml', WORKFLOW)
  git('init', '-q')
  git('add', '.')
  git('commit', '-qm', 'First version')
  git('remote', 'add', 'origin', 'https://ann:secret@forge.example/ann/site.git')
}

describe('a project that has everything', () => {
  it('has 14 of 14, each with what shows it', async () => {
    prepareFolder()
    const result = await score()
    expect(result).toMatchObject({ project: 'ann', place: 'home', done: 14, of: 14 })
    expect(result.steps.map(({ number }) => number)).toEqual([
      ...[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    ])
    expect(Object.fromEntries(result.steps.map(step => [step.number, step.outcome]))).toMatchObject(
      {
        2: { evidence: 'GET / → 200, text/html; charset=utf-8, 95 bytes, "Ann"' },
        3: { evidence: 'GET /a.css → 200, text/css, 19 bytes' },
        4: { evidence: 'GET / → 200, at http://127.0.0.1:1, of release r-1' },
        5: {
          evidence: 'TLSv1.3 with a certificate for ann.example by "Some CA", publicly trusted',
        },
        6: { evidence: 'ann.example A 192.0.2.7, says 127.0.0.1:53' },
        7: { evidence: '/a.js asks POST /api/visits' },
        8: { evidence: 'POST /api/visits twice: 7, then 8, kept in PostgreSQL' },
        9: { evidence: 'POST /api/visits → 200, {"count":7}, by function "visits"' },
        10: { evidence: 'functions/visits.py answers POST /api/visits → 200' },
        11: {
          evidence: expect.stringContaining('tests/test_visits.py, 1 test; `python3 -m unittest`'),
        },
        12: { evidence: expect.stringContaining('release r-1 was made from it') },
        13: {
          evidence: expect.stringMatching(/"First version", .* https:\/\/forge\.example\/ann/),
        },
        14: {
          evidence: expect.stringContaining('deploy.yml:7 runs `moka deploy --test` at each push'),
        },
        15: { evidence: expect.stringContaining('.github/workflows/deploy.yml:7') },
      },
    )
  })
})

describe('an empty folder', () => {
  it('that nobody serves has nothing, and says of each step what to do', async () => {
    const result = await score(
      {
        isDown: true,
        handshake: new Error('connect ECONNREFUSED'),
        functions: {},
        made: undefined,
      },
      { domain: undefined, functions: {}, database: false, test: undefined } as never,
    )
    expect(result.done).toBe(0)
    for (const { outcome: found } of result.steps) {
      expect(found.kind).not.toBe('done')
      if (found.kind !== 'done') expect(found.todo).not.toBe('')
    }
  })
})

describe.each<[number, string, string, Outcome['kind'], Partial<Given>, Partial<MokaConfig>]>([
  [
    2,
    'a page that is no HTML',
    'application/pdf',
    'missing',
    files({ '/': { type: 'application/pdf', body: '%PDF' } }),
    {},
  ],
  [2, 'no page', '404', 'missing', files({ '/': undefined }), {}],
  [2, 'a site that does not answer', 'ECONNREFUSED', 'unknown', { isDown: true }, {}],
  [3, 'no stylesheet', 'loads no stylesheet', 'missing', html('<h1>Ann</h1>'), {}],
  [
    3,
    'a stylesheet that is not there',
    'loads no stylesheet',
    'missing',
    files({ '/a.css': undefined }),
    {},
  ],
  [
    3,
    'an empty stylesheet',
    'loads no stylesheet',
    'missing',
    files({ '/a.css': { type: 'text/css', body: '' } }),
    {},
  ],
  [3, 'a style element', 'style element', 'done', html('<style>h1 { color: red }</style>'), {}],
  [4, "somebody else's answer", 'does not say', 'unknown', { fields: {} }, {}],
  [
    4,
    'an error',
    '500',
    'missing',
    files({ '/': { type: 'text/html', body: 'x', status: 500 } }),
    {},
  ],
  [
    4,
    "CloudFront's answer",
    'CloudFront in FRA56',
    'done',
    { kind: 'aws', fields: { 'x-amz-cf-pop': 'FRA56' } },
    {},
  ],
  [
    5,
    'a certificate for another name',
    'not for you',
    'missing',
    { handshake: { mismatch: 'not for you' } },
    {},
  ],
  [
    5,
    'no HTTPS',
    'no address for HTTPS',
    'unknown',
    { handshake: new Error('no address for HTTPS') },
    {},
  ],
  [
    5,
    "the cloud's own authority at home",
    'this machine alone',
    'done',
    { handshake: { isTrusted: false } },
    {},
  ],
  [
    5,
    'an authority that nobody knows on AWS',
    'nobody knows',
    'missing',
    { kind: 'aws', handshake: { isTrusted: false } },
    {},
  ],
  [6, 'no domain', 'no domain', 'missing', {}, { domain: undefined } as never],
  [
    6,
    'a name that nobody knows',
    'ENOTFOUND',
    'unknown',
    { addresses: new Error('queryA ENOTFOUND') },
    {},
  ],
  [6, 'a name without an address', 'no address', 'missing', { addresses: [] }, {}],
  [7, 'no script', 'loads no script', 'missing', html('<h1>Ann</h1>'), {}],
  [
    7,
    'a script that asks nobody',
    'ask no function',
    'missing',
    files({ '/a.js': { type: 'text/javascript', body: 'alert(1)' } }),
    {},
  ],
  [
    7,
    "a script that asks somebody else's API",
    'ask no function',
    'missing',
    files({
      '/a.js': { type: 'text/javascript', body: "fetch('https://other.example/api/visits')" },
    }),
    {},
  ],
  [7, 'a script in the page', 'a script in / asks', 'done', html(`<script>${SCRIPT}</script>`), {}],
  [
    7,
    'a minified script with a whole address',
    'asks POST /api/visits',
    'done',
    files({
      '/a.js': {
        type: 'text/javascript',
        body: 'fetch(`https://ann.example/api/visits`,{method:`POST`})',
      },
    }),
    {},
  ],
  [8, 'no database', 'no database', 'missing', {}, { database: false }],
  [
    8,
    'a count that stands still',
    '7, then 7',
    'unknown',
    { counts: [{ count: 7 }, { count: 7 }] },
    {},
  ],
  [
    8,
    'an answer without a number',
    'no number',
    'unknown',
    { counts: [{ ok: true }, { ok: true }] },
    {},
  ],
  [
    8,
    'a number deep in the answer',
    '1, then 2',
    'done',
    { counts: [{ a: { n: '1' } }, { a: { n: '2' } }] },
    {},
  ],
  [9, 'no function', 'no function', 'missing', { functions: {} }, {}],
  [9, 'a function that fails', '502', 'missing', { apiStatus: 502 }, {}],
  [9, 'a limit that is reached', '429', 'unknown', { apiStatus: 429 }, {}],
  [9, 'no page that asks it', 'POST /api/visits → 200', 'done', html('<h1>Ann</h1>'), {}],
  [
    10,
    'a function in another language',
    'no function is Python: "visits"',
    'missing',
    { runtime: 'node' },
    {},
  ],
  [10, 'a Python function that fails', 'did not answer', 'unknown', { apiStatus: 502 }, {}],
  [
    12,
    'a configuration of files alone',
    'describes files alone',
    'missing',
    {},
    { domain: undefined, functions: {}, database: false } as never,
  ],
  [12, 'nothing that was made', 'nothing was made', 'unknown', { made: undefined }, {}],
  [
    12,
    'a function that was not made yet',
    '"visits" was not made',
    'unknown',
    { functions: {} },
    {},
  ],
])('step %i with %s', (number, _what, text, kind, given, config) => {
  it(`is ${kind}`, async () => {
    const found = await outcome(number, given, config)
    expect(found.kind).toBe(kind)
    expect(found.text).toContain(text)
  })
})

describe('tests', () => {
  it.each([
    ['tests/test_visits.py', 'def test_it(): ...', 'done'],
    ['visits_test.py', 'async def test_it(): ...', 'done'],
    ['src/visits.test.ts', "it('counts', () => {})", 'done'],
    ['e2e/visits.spec.js', "test.only('counts', () => {})", 'done'],
    ['tests/test_empty.py', '# later', 'missing'],
    ['tests/helpers.py', 'def test_it(): ...', 'missing'],
    ['node_modules/other/other.test.js', "it('is of others', () => {})", 'missing'],
  ])('%s with %j are %s', async (path, content, kind) => {
    write(path, content)
    expect((await outcome(11)).kind).toBe(kind)
  })
})

describe('source control', () => {
  it.each<[string, () => void, string]>([
    ['no repository', () => {}, 'in no git repository'],
    ['a repository without a commit', () => git('init', '-q'), 'in no git repository'],
    [
      'a configuration that is not in it',
      () => {
        prepareFolder()
        git('rm', '-q', '--cached', 'moka.config.ts')
      },
      'not in the repository',
    ],
    [
      'no remote',
      () => {
        prepareFolder()
        git('remote', 'remove', 'origin')
      },
      'on this machine alone',
    ],
  ])('with %s is missing', async (_what, prepare, text) => {
    prepare()
    expect(await outcome(13)).toMatchObject({
      kind: 'missing',
      text: expect.stringContaining(text),
    })
  })

  it('tells no password of a remote', async () => {
    prepareFolder()
    expect((await outcome(13)).text).not.toContain('secret')
  })
})

describe('what deploys at a push', () => {
  const change = (from: string | RegExp, to: string) =>
    write('.github/workflows/deploy.yml', WORKFLOW.replace(from, to))

  it.each<[string, () => void, Outcome['kind'], Outcome['kind']]>([
    ['a workflow with tests', () => {}, 'done', 'done'],
    ['a workflow without tests', () => change(' --test', ''), 'missing', 'done'],
    [
      'a workflow with a step of its own for tests',
      () => change('      - run: npx', '      - run: pytest\n      - run: npx'),
      'done',
      'done',
    ],
    [
      'a workflow that runs by hand',
      () => change('push:', 'workflow_dispatch:'),
      'missing',
      'missing',
    ],
    ['a deploy that is commented out', () => change('- run', '# - run'), 'missing', 'missing'],
    [
      'a deploy of previews alone',
      () => change('--test', '--test --preview x'),
      'missing',
      'missing',
    ],
    ['a workflow for AWS', () => change('--test', '--test --to aws'), 'missing', 'missing'],
    [
      'a push to the cloud itself',
      () => {
        rmSync(join(root, '.github'), { recursive: true })
        git('remote', 'add', 'home', 'http://moka:token@cloud.example:8081/git/ann.git')
      },
      'done',
      'done',
    ],
    [
      'a pipeline of GitLab',
      () => {
        rmSync(join(root, '.github'), { recursive: true })
        write('.gitlab-ci.yml', 'deploy:\n  script:\n    - npm test\n    - moka deploy\n')
      },
      'done',
      'done',
    ],
  ])('%s', async (_what, prepare, backEnd, frontEnd) => {
    prepareFolder()
    prepare()
    expect((await outcome(14)).kind).toBe(backEnd)
    expect((await outcome(15)).kind).toBe(frontEnd)
  })

  it('runs no tests where the project names none', async () => {
    prepareFolder()
    const found = await outcome(14, {}, { test: undefined } as never)
    expect(found).toMatchObject({ kind: 'missing', text: expect.stringContaining('runs no test') })
  })

  it('to AWS is what counts there', async () => {
    prepareFolder()
    expect((await outcome(15, { kind: 'aws' })).kind).toBe('missing')
    change('--test', '--test --to aws')
    expect((await outcome(15, { kind: 'aws' })).kind).toBe('done')
  })

  it('is found above the project, where the repository has more than that', async () => {
    prepareFolder()
    const top = root
    write('site/moka.config.ts', '')
    write('site/functions/visits.py', '')
    git('add', '.')
    root = join(top, 'site')
    try {
      expect((await outcome(15)).kind).toBe('done')
    } finally {
      root = top
    }
  })
})

it('asks the API as the page does, and no more than twice', async () => {
  const project = resolveProject({ name: 'ann', ...CONFIG }, root, 'moka.config.ts')
  const place = placeOf(ALL)
  await scoreChallenge(project, place)
  expect(place.asked.filter(line => line.includes('/api/'))).toEqual([
    'POST /api/visits',
    'POST /api/visits',
  ])
})
