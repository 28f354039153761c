import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import type { ProjectBuild } from '../../config/site/site.ts'

/** What programs need to run at all, to reach the registry, and to speak to people. */
const NEEDED =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TZ|LANG|LC_\w+|TERM|NO_COLOR|FORCE_COLOR|https?_proxy|no_proxy|all_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_(?:FILE|DIR)|npm_config_\w+|COREPACK_\w+|PNPM_HOME|BUN_INSTALL|XDG_\w+|SystemRoot|ComSpec|APPDATA|LOCALAPPDATA|USERPROFILE|TEMP|TMP)$/i

/**
 * The variables of a build: a clean environment, with what any program needs, what the framework
 * makes public anyway, and what the project names. Secrets of the shell stay in it. The programs of
 * `node_modules/.bin` are on its path, in the project's folder first.
 */
export function buildEnvironment(
  {
    environment,
    publicPrefixes,
    variables,
  }: Pick<ProjectBuild, 'environment' | 'publicPrefixes' | 'variables'>,
  root: string,
  from: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const chosen: Record<string, string> = { CI: 'true' } // nobody answers questions
  for (const [name, value] of Object.entries(from)) {
    const isPublic = publicPrefixes.some(prefix => name.startsWith(prefix))
    const isMeant = environment.includes(name) || isPublic
    if (value !== undefined && (isMeant || NEEDED.test(name))) {
      chosen[name] = value
    }
  }
  Object.assign(chosen, variables)
  chosen.PATH = [...programFolders(root), chosen.PATH ?? ''].join(delimiter)
  return chosen
}

function programFolders(root: string): string[] {
  const folders: string[] = []
  for (let folder = root; ; folder = dirname(folder)) {
    const programs = join(folder, 'node_modules', '.bin')
    if (existsSync(programs)) folders.push(programs)
    if (dirname(folder) === folder) return folders
  }
}
