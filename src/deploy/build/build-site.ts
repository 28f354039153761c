import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { relative } from 'node:path'
import { promisify } from 'node:util'
import { installCommand, type PackageManager } from '../../config/site/package-manager.ts'
import type { ProjectBuild, ProjectSite } from '../../config/site/site.ts'
import { MokaError } from '../../shared/errors.ts'
import { findOnPath } from '../../shared/tied-process.ts'
import { buildEnvironment } from './build-environment.ts'
import { forgetInstalled, needsInstall, noteInstalled } from './install.ts'
import { type Command, runCommand } from './run-command.ts'

const run = promisify(execFile)

/** What holds for everything that a project has run. */
export type BuildSettings = Pick<
  ProjectBuild,
  'environment' | 'publicPrefixes' | 'variables' | 'timeoutMs' | 'memoryMb'
>

export interface BuildObserver {
  /** With the command that does it. */
  onStep?(step: 'install' | 'build', command: string): void
  onBuildOutput?(text: string): void
}

/**
 * Makes a site's folder: installs packages where there are none, then builds. Throws
 * `DEPLOY_BUILD_FAILED`, `DEPLOY_PROGRAM_MISSING` and `DEPLOY_BUILD_EMPTY`; nothing has changed then.
 */
export async function buildSite(
  { directory, build }: ProjectSite & { build: ProjectBuild },
  root: string,
  observer: BuildObserver,
  signal?: AbortSignal,
): Promise<void> {
  const onOutput = observer.onBuildOutput?.bind(observer)
  await installPackages(root, build, observer, signal)
  observer.onStep?.('build', build.command)
  const command = commandOf(build, root, build.command, 'build the site')
  await runCommand(command, onOutput, signal)
  if (existsSync(directory)) return
  throw new MokaError(
    'DEPLOY_BUILD_EMPTY',
    `cannot deploy what "${build.command}" made: there is no folder "${relative(root, directory)}"`,
    { hint: build.framework?.hint ?? 'name the folder that the build writes as site.directory' },
  )
}

/** Installs the packages of a project where there are none, or where its lock file has changed. */
export async function installPackages(
  root: string,
  build: BuildSettings & Pick<ProjectBuild, 'packageManager'>,
  observer: BuildObserver,
  signal?: AbortSignal,
): Promise<void> {
  const { packageManager } = build
  if (packageManager === undefined || !(await needsInstall(root, packageManager))) return
  requireProgram(packageManager)
  const install = installCommand(packageManager, await versionOf(packageManager, root))
  observer.onStep?.('install', install)
  await forgetInstalled(root)
  const command = commandOf(build, root, install, 'install packages')
  await runCommand(command, observer.onBuildOutput?.bind(observer), signal)
  await noteInstalled(root, packageManager)
}

/** A command with the environment and the limits of a project's build. */
export function commandOf(
  build: BuildSettings,
  root: string,
  command: string,
  purpose: string,
): Command {
  const environment = buildEnvironment(build, root) // anew: an installation adds programs
  return {
    command,
    purpose,
    root,
    environment,
    timeoutMs: build.timeoutMs,
    memoryMb: build.memoryMb,
  }
}

function requireProgram({ name, lockFile }: PackageManager): void {
  if (findOnPath(name) !== undefined) return
  const reason = lockFile === undefined ? 'package.json names it' : `its lock file is "${lockFile}"`
  throw new MokaError(
    'DEPLOY_PROGRAM_MISSING',
    `cannot install packages with ${name}: ${reason}, and there is no such program`,
    { hint: `\`corepack enable\` or \`npm install --global ${name}\` brings it` },
  )
}

/** Yarn's first version takes other options than those that came later. */
async function versionOf({ name }: PackageManager, root: string): Promise<string> {
  if (name !== 'yarn') return ''
  const { stdout } = await run(name, ['--version'], { cwd: root }).catch(() => ({ stdout: '' }))
  return stdout.trim()
}
