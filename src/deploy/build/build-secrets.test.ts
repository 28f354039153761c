import { expect, it } from 'vitest'
import type { ProjectBuild } from '../../config/site/site.ts'
import { maskOutput, withSecrets } from './build-secrets.ts'

const build: ProjectBuild = {
  ...{ command: 'true', environment: [], publicPrefixes: [], timeoutMs: 1, memoryMb: 1 },
  secrets: ['CMS_TOKEN', 'OTHER'],
}

function cloudWith(values: Record<string, string>) {
  const asked: string[] = []
  const forBuild = async (_project: string, names: readonly string[]) => {
    asked.push(...names)
    return Object.fromEntries(names.map(name => [name, values[name]!]))
  }
  return { asked, target: { secrets: { forBuild } as never } }
}

it('takes secrets from the shell, and asks the cloud for those alone that are not there', async () => {
  const { asked, target } = cloudWith({ OTHER: 'of the cloud' })
  const whole = await withSecrets(build, 'site', target, { CMS_TOKEN: 'mine', AWS: 'x' })
  expect(whole.variables).toEqual({ CMS_TOKEN: 'mine', OTHER: 'of the cloud' })
  expect(asked).toEqual(['OTHER'])
})

it('asks for nothing where nothing is named', async () => {
  const { asked, target } = cloudWith({})
  const { secrets: _, ...plain } = build
  expect((await withSecrets(plain, 'site', target, {})).variables).toEqual({})
  expect(asked).toEqual([])
})

it('shows what a build says without them, to the end', () => {
  let shown = ''
  const observer = {
    onBuildOutput(text: string) {
      shown += text
    },
  }
  const masked = maskOutput(observer, { ...build, variables: { CMS_TOKEN: 'cms_token_1' } })
  masked.observer.onBuildOutput('with cms_tok')
  masked.observer.onBuildOutput('en_1 and cms_')
  masked.end()
  expect(shown).toBe('with *** and cms_')
})
