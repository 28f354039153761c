import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { closeOwnCloud, type OwnCloud, openOwnCloud } from '../support/deploying.ts'
import { type FakeGithub, openGithub } from '../support/github.ts'
import { ask } from '../support/http.ts'
import { MAIN, moka, ROOT, writeProject } from '../support/moka.ts'
import {
  type CompositeAction,
  type Contexts,
  evaluate,
  readYaml,
  runSteps,
  type Workflow,
} from '../support/workflow.ts'

// The workflow that `moka init` writes and the action of this repository: their steps are run with
// bash, as a runner of GitHub does, against a `moka up`.

let own: OwnCloud | undefined
let github: FakeGithub
let token: string
let project: string

beforeAll(async () => {
  own = await openOwnCloud('workflow')
  github = await openGithub('job-token')
  token = (await readFile(join(own.home, 'token'), 'utf8')).trim()
  project = join(own.root, 'my-site')
  const made = await moka(['init', project], { cwd: own.root })
  expect(made, made.stderr).toMatchObject({ code: 0 })
  // The package as npx finds it where it is installed, so that nothing is downloaded.
  await mkdir(join(project, 'node_modules/.bin'), { recursive: true })
  await symlink(ROOT, join(project, 'node_modules/mokapot'))
  await symlink(MAIN, join(project, 'node_modules/.bin/moka'))
})
afterAll(async () => {
  await github?.close()
  await closeOwnCloud(own)
})

const variables = () => ({
  PATH: process.env.PATH ?? '',
  HOME: own!.root,
  npm_config_offline: 'true',
  npm_config_cache: join(own!.root, 'npm-cache'),
  GITHUB_API_URL: github.url,
  GITHUB_REPOSITORY: 'lena/my-site',
})

const PUSH = { ref: 'refs/heads/main' }
const PULL_REQUEST = { number: 7, pull_request: { number: 7, head: { repo: { fork: false } } } }

function contextsOf(name: string, event: Record<string, unknown>): Contexts {
  return {
    github: { event_name: name, event, ref: 'refs/heads/main', token: 'job-token' },
    vars: { MOKA_CLOUD: own!.cloud.addresses.control },
    secrets: { MOKA_TOKEN: token },
  }
}

const page = async () =>
  (await ask(own!.cloud.addresses.site, '/', { host: 'my-site.example' })).body.toString()

describe('the workflow that `moka init` writes', () => {
  const read = () => readYaml<Workflow>(join(project, '.github/workflows/deploy.yml'))
  const run = async (name: string, event: Record<string, unknown>) => {
    const { jobs } = await read()
    const contexts = contextsOf(name, event)
    const { steps, env = {} } = jobs.deploy!
    return runSteps(steps, { cwd: project, contexts, event, env, variables: variables() })
  }

  it('runs for pushes to main and for pull requests, with no more rights than it needs', async () => {
    const { on, permissions } = await read()
    expect(on).toEqual({ push: { branches: ['main'] }, pull_request: null })
    expect(permissions).toEqual({ contents: 'read', 'pull-requests': 'write' })
  })

  it('deploys a push, and says so in the job’s summary', async () => {
    const { code, log, summary, used } = await run('push', PUSH)
    expect(log).toMatch(/r-1 of my-site is live/)
    expect(code).toBe(0)
    expect(used.map(action => action.replace(/@.*/, ''))).toEqual([
      'actions/checkout',
      'actions/setup-node',
    ])
    expect(summary).toContain('### my-site: r-1 is live')
    expect(summary).toContain('https://my-site.example/')
    expect(await page()).toContain('<!doctype html>')
    expect(github.comments).toEqual([])
  })

  it('fails with the project’s tests, and says why in the summary', async () => {
    const config = await readFile(join(project, 'moka.config.ts'), 'utf8')
    const failing = config.replace(/\}\)\s*$/, `test: 'echo too bitter; exit 1' })`)
    expect(failing).not.toBe(config)
    await writeProject(project, { 'moka.config.ts': failing })
    const before = await page()
    const { code, log, summary } = await run('push', PUSH)
    await writeProject(project, { 'moka.config.ts': config })
    expect(code).toBe(1)
    expect(log).toContain('too bitter')
    expect(summary).toContain('my-site: the deploy failed')
    expect(await page()).toBe(before)
  })

  it('makes a preview of a pull request, with its address as one comment', async () => {
    const before = await page()
    for (const heading of ['New here', 'Newer here']) {
      await mkdir(join(project, 'site/new'), { recursive: true })
      await writeFile(join(project, 'site/new/index.html'), `<h1>${heading}</h1>`)
      const { code, log, summary } = await run('pull_request', PULL_REQUEST)
      expect(code, log).toBe(0)
      expect(summary).toContain('### my-site: preview pr-7 is ready')
      const shown = await ask(own!.cloud.addresses.site, '/new/', {
        host: 'pr-7.preview.my-site.example',
      })
      expect(shown.body.toString()).toContain(heading)
    }
    expect(await page()).toBe(before)
    expect(github.comments).toHaveLength(1)
    expect(github.comments[0]).toMatchObject({
      issue: 7,
      body: expect.stringContaining('//pr-7.preview.my-site.example'),
    })
  })

  it('makes nothing of a stranger’s pull request, which has no secrets', async () => {
    const { jobs } = await read()
    const allows = (name: string, event: Record<string, unknown>) =>
      evaluate(jobs.deploy!.if!, contextsOf(name, event))
    const fork = { pull_request: { head: { repo: { fork: true } } } }
    expect(allows('pull_request', fork)).toBe(false)
    expect(allows('pull_request', PULL_REQUEST)).toBe(true)
    expect(allows('push', PUSH)).toBe(true)
  })
})

describe('the action', () => {
  const run = async (
    name: string,
    event: Record<string, unknown>,
    given: Record<string, string>,
  ) => {
    const action = await readYaml<CompositeAction>(join(ROOT, 'action.yml'))
    expect(action.runs.using).toBe('composite')
    const contexts = contextsOf(name, event)
    const inputs: Record<string, string> = {}
    for (const [input, { default: value = '', required }] of Object.entries(action.inputs)) {
      if (required === true) expect(given).toHaveProperty(input)
      inputs[input] = given[input] ?? String(expandInput(value, contexts))
    }
    const all = { ...contexts, inputs }
    const options = { cwd: own!.root, contexts: all, event, variables: variables() }
    const result = await runSteps(action.runs.steps, options)
    const steps = Object.fromEntries(
      Object.entries(result.outputs).map(([id, outputs]) => [id, { outputs }]),
    )
    const outputs = Object.fromEntries(
      Object.entries(action.outputs).map(([output, { value }]) => [
        output,
        expandInput(value, { ...all, steps }),
      ]),
    )
    return { ...result, outputs }
  }
  const expandInput = (text: string, contexts: Contexts) => {
    const [, expression] = /^\$\{\{(.*)\}\}$/s.exec(text) ?? []
    return expression === undefined ? text : evaluate(expression, contexts)
  }

  it('deploys a push from a folder of the checkout, and gives its address and release', async () => {
    await cp(join(project, 'site/index.html'), join(project, 'site/copy.html'))
    const { code, log, outputs, summary } = await run('push', PUSH, {
      cloud: own!.cloud.addresses.control,
      token,
      directory: 'my-site',
    })
    expect(log).toMatch(/r-\d+ of my-site is live/)
    expect(code).toBe(0)
    expect(outputs).toEqual({
      url: 'https://my-site.example/',
      release: expect.stringMatching(/^r-\d+$/),
    })
    expect(summary).toContain(`${outputs.release} is live`)
  })

  it('makes a preview of a pull request by itself', async () => {
    github.comments.length = 0
    const { code, log, outputs } = await run('pull_request', PULL_REQUEST, {
      cloud: own!.cloud.addresses.control,
      token,
      directory: 'my-site',
    })
    expect(code, log).toBe(0)
    expect(outputs.url).toContain('//pr-7.preview.my-site.example')
    expect(github.comments).toHaveLength(1)
  })

  it('with a wrong token fails, and says what to set', async () => {
    const { code, log, summary } = await run('push', PUSH, {
      cloud: own!.cloud.addresses.control,
      token: 'wrong',
      directory: 'my-site',
    })
    expect(code).toBe(1)
    expect(log).toContain('the token is not its own')
    expect(summary).toContain('the deploy failed')
  })
})
