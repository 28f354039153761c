import { loadProject } from '../../../config/load.ts'
import type { Project } from '../../../config/project.ts'
import { type Score, type Step, scoreChallenge } from '../../../deploy/challenge/challenge.ts'
import { openHomePlace } from '../../../deploy/challenge/home-place.ts'
import type { Place } from '../../../deploy/challenge/place.ts'
import { systemClock } from '../../../shared/clock.ts'
import { MokaError } from '../../../shared/errors.ts'
import { type CloudOptions, type FoundCloud, findCloud } from '../../find-cloud.ts'
import { createReporter, type Reporter, textColumns, wrapText } from '../../reporter.ts'

/** `moka crc`: how far the project is with the Cloud Resume Challenge, with what shows it. */
export async function crc(
  options: CloudOptions & { json?: boolean; to: 'home' | 'aws' },
): Promise<void> {
  const reporter = createReporter(options.json === true)
  reporter.progress('looking…')
  const project = await loadProject(process.cwd())
  const score =
    options.to === 'aws'
      ? await scoreOnAws(project, reporter)
      : await scoreAtHome(project, options, reporter)
  print(score, reporter)
  reporter.result(
    score,
    `${score.done} of ${score.of} steps; 1, a certification, and 16, a blog post, are yours`,
  )
}

async function scoreAtHome(
  project: Project,
  options: CloudOptions,
  reporter: Reporter,
): Promise<Score> {
  const cloud = await findRunning(options)
  if (cloud === undefined) reporter.note('no cloud is running here: `moka dev` starts one')
  try {
    return await scoreIn(project, await openHomePlace(project, cloud?.api))
  } finally {
    cloud?.close()
  }
}

async function findRunning(options: CloudOptions): Promise<FoundCloud | undefined> {
  try {
    return await findCloud(options)
  } catch (error) {
    if (error instanceof MokaError && error.code === 'CLI_NO_CLOUD') return undefined
    throw error
  }
}

async function scoreOnAws(project: Project, reporter: Reporter): Promise<Score> {
  const { openAwsPlace } = await import('../../../deploy/challenge/aws-place.ts')
  return scoreIn(project, await openAwsPlace(project, await findAddress(project, reporter)))
}

/** The distribution's own address, for a project without a domain: AWS is asked for that alone. */
async function findAddress(project: Project, reporter: Reporter): Promise<string | undefined> {
  if (project.domain !== undefined) return undefined
  const { openAwsTarget } = await import('../../../deploy/targets/aws/release/open-aws.ts')
  const target = openAwsTarget(project, { clock: systemClock })
  try {
    return await target.address()
  } catch (error) {
    if (!(error instanceof MokaError)) throw error
    reporter.note(`${error.message}${error.hint === undefined ? '' : `\ntry: ${error.hint}`}`)
    return undefined
  } finally {
    await target.close()
  }
}

async function scoreIn(project: Project, place: Place): Promise<Score> {
  try {
    return await scoreChallenge(project, place)
  } finally {
    place.close()
  }
}

const WORDS = { done: 'done', missing: 'missing', unknown: 'not shown' }

/** Number, name and word, with the spaces after each. */
const INDENT = ' '.repeat(39)

function print({ steps }: Score, reporter: Reporter): void {
  const wrap = (text: string) => wrapText(text, textColumns() - INDENT.length).join(`\n${INDENT}`)
  for (const step of steps) {
    const { number, name, outcome } = step
    const word = WORDS[outcome.kind].padEnd(9)
    const shown = outcome.kind === 'missing' ? reporter.bold(word) : word
    reporter.line(
      `${String(number).padStart(2)}  ${name.padEnd(22)}  ${shown}  ${wrap(told(step))}`,
    )
    if (outcome.kind !== 'done')
      reporter.line(`${INDENT}${reporter.dim(wrap(`try: ${outcome.todo}`))}`)
  }
}

function told({ outcome }: Step): string {
  if (outcome.kind === 'done') return outcome.evidence
  return outcome.kind === 'missing' ? outcome.lacks : outcome.why
}
