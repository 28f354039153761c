import type { Project } from '../../config/project.ts'
import { type ApiEvidence, api, askApi, database, python } from './api-steps.ts'
import { type Page, readPage } from './page.ts'
import type { Place } from './place.ts'
import { findTests, findWorkflows, readRepository } from './project-files.ts'
import {
  backEnd,
  frontEnd,
  infrastructure,
  type ProjectFacts,
  sourceControl,
  tests,
} from './project-steps.ts'
import { css, dns, html, https, javascript, staticSite } from './site-steps.ts'
import { type Outcome, reasonOf, unknown } from './step.ts'

/** One step of the Cloud Resume Challenge, and how far the project is with it. */
export interface Step {
  /** As cloudresumechallenge.dev counts them, 2 to 15. */
  number: number
  name: string
  outcome: Outcome
}

export interface Score {
  project: string
  place: 'home' | 'aws'
  done: number
  of: number
  steps: Step[]
}

/**
 * Scores a project against the steps that a program can look at; 1, a certification, and 16, a blog
 * post, are its author's. Two requests of the page's own kind go to its API, which may count as visits.
 */
export async function scoreChallenge(project: Project, place: Place): Promise<Score> {
  const [facts, page] = await Promise.all([readFacts(project, place), lookAt(project, place)])
  const evidence: ApiEvidence =
    'silence' in page ? { kind: 'silent', why: page.silence } : await askApi(place, page)
  const onPage = (step: (page: Page) => Outcome): Outcome =>
    'silence' in page ? unknown(page.silence, wayTo(place)) : step(page)
  const [secure, named] = await Promise.all([https(place), dns(place, project)])
  const steps: [number, string, Outcome][] = [
    [2, 'HTML', onPage(html)],
    [3, 'CSS', onPage(css)],
    [4, 'Static website', onPage(read => staticSite(read, place))],
    [5, 'HTTPS', secure],
    [6, 'DNS', named],
    [7, 'JavaScript', onPage(javascript)],
    [8, 'Database', database(evidence, project, place)],
    [9, 'API', api(evidence, place)],
    [10, 'Python', python(evidence, place, project)],
    [11, 'Tests', tests(facts, project)],
    [12, 'Infrastructure as code', infrastructure(place, project)],
    [13, 'Source control', sourceControl(facts)],
    [14, 'CI/CD, back end', backEnd(facts, project, place)],
    [15, 'CI/CD, front end', frontEnd(facts, project, place)],
  ]
  return {
    project: project.name,
    place: place.kind,
    done: steps.filter(([, , { kind }]) => kind === 'done').length,
    of: steps.length,
    steps: steps.map(([number, name, outcome]) => ({ number, name, outcome })),
  }
}

async function lookAt({ domain }: Project, place: Place): Promise<Page | { silence: string }> {
  try {
    return await readPage(place, domain)
  } catch (error) {
    return { silence: `${place.address} does not answer: ${reasonOf(error)}` }
  }
}

function wayTo({ kind }: Place): string {
  return kind === 'aws'
    ? '`moka deploy --to aws`, and `moka doctor --to aws` where that was done'
    : '`moka dev` starts the cloud'
}

async function readFacts(project: Project, place: Place): Promise<ProjectFacts> {
  const [found, repository] = await Promise.all([
    findTests(project.root),
    readRepository(project.root),
  ])
  const roots = [project.root, ...(repository === undefined ? [] : [repository.top])]
  const workflows = await findWorkflows(roots, { to: place.kind, test: project.test })
  return { tests: found, repository, workflows }
}
