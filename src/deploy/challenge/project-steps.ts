import type { Project } from '../../config/project.ts'
import type { Place } from './place.ts'
import { cloudRemote, type Repository, type TestFile, type Workflow } from './project-files.ts'
import { done, missing, type Outcome, shorten, unknown } from './step.ts'

/** What lies in the project's folder. */
export interface ProjectFacts {
  tests: readonly TestFile[]
  repository: Repository | undefined
  workflows: readonly Workflow[]
}

/** Step 11: the code has tests. */
export function tests({ tests: found }: ProjectFacts, { test }: Project): Outcome {
  const [first, ...others] = found
  if (first === undefined) {
    return missing(
      'no file with tests, such as tests/test_visits.py or visits.test.ts',
      "write one for the function, and name the command that runs it: test: 'python3 -m unittest discover tests'",
    )
  }
  const count = `${first.tests} ${first.tests === 1 ? 'test' : 'tests'}`
  const more = others.length === 0 ? '' : ` and ${others.length} files more`
  const runs = test === undefined ? '' : `; \`${shorten(test)}\` runs before deploys with --test`
  return done(`${first.path}, ${count}${more}${runs}`)
}

/** Step 12: what there is was written down, and made from that. */
export function infrastructure(place: Place, project: Project): Outcome {
  const { functions, database, domain, dnsRecords } = project
  if (functions.length === 0 && database.kind === 'none' && domain === undefined) {
    return missing(
      'moka.config.ts describes files alone: no function, no database, no domain',
      'describe them there; a deploy makes what it says',
    )
  }
  const parts = [
    ...(project.site === undefined ? [] : ['the site']),
    ...(functions.length === 0 ? [] : [count(functions.length, 'function')]),
    ...(database.kind === 'none' ? [] : ['a database']),
    ...(domain === undefined ? [] : [`the zone of ${domain}`]),
    ...(dnsRecords.length === 0 ? [] : [count(dnsRecords.length, 'record')]),
  ]
  const described = `moka.config.ts describes ${parts.join(', ')}`
  const deploy = place.kind === 'aws' ? '`moka deploy --to aws`' : '`moka deploy`'
  if (place.made === undefined) return unknown(`${described}, and nothing was made from it`, deploy)
  const missed = functions.find(({ name }) => place.functions[name] === undefined)
  if (missed !== undefined) {
    return unknown(`${described}, and function "${missed.name}" was not made yet`, deploy)
  }
  return done(`${described}; ${place.made} was made from it`)
}

/** Step 13: the project is under source control, and somewhere else as well. */
export function sourceControl({ repository }: ProjectFacts): Outcome {
  if (repository === undefined) {
    return missing(
      'the project is in no git repository with a commit',
      '`git init`, `git add .`, `git commit`',
    )
  }
  const { commit, message, remotes, isConfigTracked } = repository
  if (!isConfigTracked)
    return missing('moka.config.ts is not in the repository', '`git add moka.config.ts`')
  const [remote] = Object.entries(remotes)
  if (remote === undefined) {
    return missing(
      `commit ${commit} is on this machine alone`,
      '`git remote add origin …` for GitHub and its like, `moka remote` for your own cloud; then `git push`',
    )
  }
  return done(`commit ${commit} "${shorten(message)}", with remote ${remote[0]} at ${remote[1]}`)
}

/** Step 14: a push of the function's code runs its tests, and then deploys it. */
export function backEnd(facts: ProjectFacts, project: Project, place: Place): Outcome {
  if (project.functions.length === 0) {
    return missing('the project has no function', 'step 9 comes first')
  }
  const deployer = deployerOf(facts, project, place)
  if (deployer === undefined) return noDeployer(place)
  const { told, test } = deployer
  if (test === undefined) {
    return missing(
      `${told} at each push, and runs no test before`,
      "test: 'python3 -m unittest discover tests' in moka.config.ts, and `moka deploy --test`",
    )
  }
  return done(`${told} at each push, after \`${shorten(test)}\``)
}

/** Step 15: a push of the site deploys it. There is nothing to invalidate: a release has files of its own. */
export function frontEnd(facts: ProjectFacts, project: Project, place: Place): Outcome {
  if (project.site === undefined) return missing('the project has no site', 'step 2 comes first')
  const deployer = deployerOf(facts, project, place)
  if (deployer === undefined) return noDeployer(place)
  return done(
    `${deployer.told} at each push; a release takes the place of the one before as a whole`,
  )
}

function deployerOf(
  { workflows, repository }: ProjectFacts,
  { name, test }: Project,
  place: Place,
): { told: string; test: string | undefined } | undefined {
  const workflow = workflows.find(one => one.test !== undefined) ?? workflows[0]
  if (workflow !== undefined) {
    return { told: `${workflow.place} runs \`${shorten(workflow.command)}\``, test: workflow.test }
  }
  const remote = place.kind === 'home' && repository ? cloudRemote(repository, name) : undefined
  if (remote === undefined) return undefined
  return { told: `remote ${remote} is a Mokapot cloud, which deploys`, test }
}

function noDeployer({ kind }: Place): Outcome {
  return kind === 'aws'
    ? missing(
        'no workflow deploys to AWS at a push',
        'docs/guides/aws.md has one for GitHub, without a key of AWS (aws.github)',
      )
    : missing(
        'no workflow deploys at a push',
        '`moka init` writes one for GitHub into a new project; or `moka remote`, and push to your cloud',
      )
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
