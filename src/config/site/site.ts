import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { MokaError } from '../../shared/errors.ts'
import type { BuildConfig, SiteConfig } from '../schema.ts'
import { detectFramework, type Framework, findPlainSite, hasScript } from './frameworks.ts'
import { detectPackageManager, type PackageManager, scriptCommand } from './package-manager.ts'

/** Where the finished files of a site are, and what makes them. */
export interface ProjectSite {
  directory: string
  build?: ProjectBuild
}

export interface ProjectBuild {
  command: string
  /** What was recognised, for people. */
  framework?: Pick<Framework, 'name' | 'hint'>
  /** Installs what the build needs; absent where no package.json asks for it. */
  packageManager?: PackageManager
  /** Names of variables, and beginnings of names, that go to the build. */
  environment: readonly string[]
  publicPrefixes: readonly string[]
  /** Names of secrets that go to the build. */
  secrets?: readonly string[]
  /** Variables of the build alone: what those secrets are, once that is known. */
  variables?: Readonly<Record<string, string>>
  timeoutMs: number
  memoryMb: number
}

const DEFAULT_DIRECTORY = 'dist'
const DEFAULT_TIMEOUT_MINUTES = 15
const DEFAULT_MEMORY_MB = 4096

/**
 * The site of the project in `root`; undefined where it has none. Throws `CONFIG_SITE_MISSING`, when
 * the configuration wants one and there is neither a folder nor what makes it.
 */
export function resolveSite(
  site: SiteConfig | undefined,
  root: string,
  file: string,
): ProjectSite | undefined {
  const settings: BuildConfig =
    typeof site?.build === 'object'
      ? site.build
      : typeof site?.build === 'string'
        ? { command: site.build }
        : {}
  const framework = site?.build === false ? undefined : detectFramework(root)
  const directory = resolve(
    root,
    site?.directory ?? framework?.directory ?? findPlainSite(root) ?? DEFAULT_DIRECTORY,
  )
  const packageManager = detectPackageManager(root)
  const command = settings.command ?? commandOf(framework, packageManager, root)
  if (command !== undefined) {
    return {
      directory,
      build: {
        command,
        ...(framework === undefined ? {} : { framework }),
        ...(packageManager === undefined ? {} : { packageManager }),
        environment: settings.environment ?? [],
        publicPrefixes: framework?.publicPrefixes ?? [],
        ...(settings.secrets === undefined ? {} : { secrets: settings.secrets }),
        timeoutMs: (settings.timeoutMinutes ?? DEFAULT_TIMEOUT_MINUTES) * 60_000,
        memoryMb: settings.memoryMb ?? DEFAULT_MEMORY_MB,
      },
    }
  }
  if (existsSync(directory) && statSync(directory).isDirectory()) return { directory }
  if (site === undefined) return undefined
  throw new MokaError(
    'CONFIG_SITE_MISSING',
    `cannot read ${file}: field "site.directory": there is no folder "${directory}"`,
    { hint: 'name the folder of finished files, or give the command that makes it as site.build' },
  )
}

function commandOf(
  framework: Framework | undefined,
  packageManager: PackageManager | undefined,
  root: string,
): string | undefined {
  if (framework === undefined) return undefined
  // Nuxt's `build` makes a server; what can be served as files is made by `generate`.
  const script = framework.name === 'Nuxt' ? 'generate' : 'build'
  if (packageManager !== undefined && hasScript(root, script)) {
    return scriptCommand(packageManager, script)
  }
  return framework.command
}
