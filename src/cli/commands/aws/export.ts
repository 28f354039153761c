import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadProject } from '../../../config/load.ts'
import { createCommand } from '../../../deploy/targets/aws/template/by-hand.ts'
import { formatTemplate } from '../../../deploy/targets/aws/template/format.ts'
import {
  domainTemplate,
  siteTemplate,
  templateWarnings,
} from '../../../deploy/targets/aws/template/template.ts'
import { MokaError } from '../../../shared/errors.ts'
import { createReporter } from '../../reporter.ts'

export type StackKind = 'site' | 'domain'

/** `moka export cloudformation`: the templates, and how to go on with them without Mokapot. */
export async function exportTemplates(options: { stack?: StackKind; out?: string }): Promise<void> {
  const reporter = createReporter(false)
  const project = await loadProject(process.cwd())
  const templates = { domain: domainTemplate(project), site: siteTemplate(project) }
  const kinds = chooseKinds(options, templates.domain !== undefined)
  for (const warning of [...project.warnings, ...templateWarnings(project)]) {
    reporter.note(`warning: ${warning}`)
  }
  const written: string[] = []
  for (const kind of kinds) {
    const text = formatTemplate(templates[kind]!)
    if (options.out === undefined) process.stdout.write(text)
    else {
      mkdirSync(options.out, { recursive: true })
      writeFileSync(join(options.out, `${kind}.json`), text)
      written.push(join(options.out, `${kind}.json`))
    }
  }
  reporter.note('by hand:')
  for (const kind of kinds) {
    const file = join(options.out ?? '.', `${kind}.json`)
    reporter.note(`  ${createCommand(project, kind, templates[kind]!, file)}`)
  }
  if (written.length > 0) reporter.result(written, `${written.join(', ')}: written`)
}

/** One is printed, all are written; the domain's comes first, for the other needs its outputs. */
function chooseKinds(
  { stack, out }: { stack?: StackKind; out?: string },
  hasDomain: boolean,
): StackKind[] {
  if (stack === 'domain' && !hasDomain) {
    throw new MokaError(
      'CONFIG_INVALID',
      'cannot export the stack "domain": the project has no domain',
      { hint: "add domain: 'example.org' to moka.config.ts" },
    )
  }
  if (stack !== undefined) return [stack]
  return out !== undefined && hasDomain ? ['domain', 'site'] : ['site']
}
