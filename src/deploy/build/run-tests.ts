import { detectPackageManager } from '../../config/site/package-manager.ts'
import type { ProjectBuild } from '../../config/site/site.ts'
import { MokaError } from '../../shared/errors.ts'
import { type BuildObserver, type BuildSettings, commandOf, installPackages } from './build-site.ts'
import { runCommand } from './run-command.ts'

/** Of a project that has no build. */
const LIMITS: BuildSettings = {
  environment: [],
  publicPrefixes: [],
  timeoutMs: 15 * 60_000,
  memoryMb: 4096,
}

/**
 * Runs the command that has to pass before a deploy, in the environment and the limits of the
 * build. Throws `DEPLOY_TEST_FAILED`.
 */
export async function runTests(
  test: string,
  build: ProjectBuild | undefined,
  root: string,
  observer: {
    onStep?(step: 'install' | 'test', command: string): void
    onBuildOutput?(text: string): void
  },
  signal?: AbortSignal,
): Promise<void> {
  const settings = build ?? LIMITS
  const packageManager = detectPackageManager(root)
  const installing: BuildObserver = {
    onStep: (step, command) => step === 'install' && observer.onStep?.(step, command),
    ...(observer.onBuildOutput && { onBuildOutput: text => observer.onBuildOutput?.(text) }),
  }
  const packages = packageManager === undefined ? {} : { packageManager }
  await installPackages(root, { ...settings, ...packages }, installing, signal)
  observer.onStep?.('test', test)
  const command = commandOf(settings, root, test, 'pass the tests')
  try {
    await runCommand(command, observer.onBuildOutput?.bind(observer), signal)
  } catch (error) {
    if (!(error instanceof MokaError)) throw error
    const hint = 'nothing was changed; mend what the tests found, or the tests'
    throw new MokaError('DEPLOY_TEST_FAILED', error.message, { hint, cause: error })
  }
}
