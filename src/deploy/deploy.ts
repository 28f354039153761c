import { relative } from 'node:path'
import type { Project } from '../config/project.ts'
import type { Activated, BlobUpload, CloudApi, UploadProgress } from '../control/cloud-api.ts'
import type { PreviewRequest } from '../control/previews/previews-api.ts'
import type { ReleaseDraft } from '../releases/manifest.ts'
import type { ActivationStep } from '../releases/releases.ts'
import type { Clock } from '../shared/clock.ts'
import { MokaError, systemErrorCode } from '../shared/errors.ts'
import { maskOutput, withSecrets } from './build/build-secrets.ts'
import { buildSite } from './build/build-site.ts'
import { runTests } from './build/run-tests.ts'
import { prepareRelease } from './draft.ts'
import { selectMissing } from './missing.ts'
import { makePlan, type Plan, summarisePlan } from './plan.ts'
import { inTurn } from './turn.ts'

/** What a deploy needs of the place it deploys to. */
export type DeployTarget = Pick<CloudApi, 'live' | 'missingBlobs' | 'publish'> &
  Partial<Pick<CloudApi, 'secrets'>> & {
    /** `draft` is the release that they are for. */
    putBlobs(
      blobs: Iterable<BlobUpload>,
      onProgress: ((progress: UploadProgress) => void) | undefined,
      draft: ReleaseDraft,
    ): Promise<void>
    /** It compresses what it serves by itself: releases have no compressed forms of files. */
    isCompressing?: boolean
    /** Publish also what differs in nothing from what is there. */
    mustPublish?: boolean
    /** What becomes of a release there, or of a preview, for people. Throws where it cannot be there. */
    review?(draft: ReleaseDraft, preview?: PreviewRequest): readonly string[]
    /** The release is live: what was kept for the one before it may go. */
    settle?(): Promise<void>
  }

export type DeployStep =
  | 'wait'
  | 'install'
  | 'build'
  | 'test'
  | 'prepare'
  | 'upload'
  | ActivationStep

/** Told what happens while it happens. */
export interface DeployObserver {
  onStep?(step: DeployStep, detail?: string): void
  onBuildOutput?(text: string): void
  onPlan?(plan: Plan): void
  /** Often, while objects are sent. */
  onUpload?(progress: UploadProgress): void
}

export interface DeployOptions {
  clock: Clock
  isDryRun?: boolean
  deferMigrations?: boolean
  /** The project's tests have to pass. */
  isTested?: boolean
  /** Ends a build that is under way. */
  signal?: AbortSignal
}

export interface DeployResult {
  plan: Plan
  /** Absent when nothing differs from what is live, or after a dry run. */
  activated?: Activated
  /** The release that is live now; undefined after a dry run without one. */
  live: string | undefined
  uploaded: { blobs: number; sizeBytes: number }
}

/** Another deploy went live in between; or old blobs were swept that this one counted on. */
const OVERTAKEN: ReadonlySet<string> = new Set(['RELEASES_BASE_CHANGED', 'RELEASES_BLOBS_MISSING'])
/** How often a deploy is planned anew because of that. */
const MAX_ATTEMPTS = 10

/**
 * Deploys a project: install → build → test → prepare → ask what is missing → plan → upload it → publish. What the
 * bucket has lost of the live release is sent again also where nothing differs. When another
 * deploy goes live in between, the plan is made anew against that one, so that what is published
 * is always exactly what was planned. Deploys from one folder wait for one another.
 */
export async function deploy(
  project: Project,
  target: DeployTarget,
  options: DeployOptions,
  observer: DeployObserver = {},
): Promise<DeployResult> {
  return inTurn(
    project.root,
    () => buildAndDeploy(project, target, options, observer),
    () => observer.onStep?.('wait'),
  )
}

async function buildAndDeploy(
  project: Project,
  target: DeployTarget,
  options: DeployOptions,
  observer: DeployObserver,
): Promise<DeployResult> {
  const { site, root } = project
  const build = site?.build && (await withSecrets(site.build, project.name, target))
  const output = maskOutput(observer, build)
  try {
    if (site !== undefined && build !== undefined) {
      const { directory } = site
      await buildSite({ directory, build }, root, output.observer, options.signal)
    }
    if (options.isTested === true && project.test !== undefined) {
      await runTests(project.test, build, root, output.observer, options.signal)
    }
  } finally {
    output.end()
  }
  observer.onStep?.('prepare')
  for (let attempt = 1; ; attempt++) {
    try {
      return await deployOnce(project, target, options, observer)
    } catch (error) {
      const isOvertaken = error instanceof MokaError && OVERTAKEN.has(error.code)
      if (!isOvertaken || attempt === MAX_ATTEMPTS) throw explain(error, project)
    }
  }
}

async function deployOnce(
  project: Project,
  target: DeployTarget,
  options: { clock: Clock; isDryRun?: boolean; deferMigrations?: boolean },
  observer: DeployObserver,
): Promise<DeployResult> {
  const live = await target.live(project.name)
  const isEncoded = target.isCompressing !== true
  const prepared = await prepareRelease(project, live?.manifest, options.clock.now(), isEncoded)
  const warnings = [...prepared.warnings, ...(target.review?.(prepared.draft) ?? [])]
  const { draft, uploads } = options.isDryRun
    ? { draft: prepared.draft, uploads: [] }
    : await selectMissing(prepared, target, live)
  const plan = makePlan(draft, live, warnings)
  observer.onPlan?.(plan)
  const sizeBytes = uploads.reduce((sum, blob) => sum + blob.sizeBytes, 0)
  const uploaded = { blobs: uploads.length, sizeBytes }
  if (options.isDryRun) return { plan, live: live?.id, uploaded }
  if (uploads.length > 0) {
    observer.onStep?.('upload', `${uploads.length} objects, ${sizeBytes} bytes`)
    await target.putBlobs(uploads, progress => observer.onUpload?.(progress), draft)
  }
  // What the bucket had lost of the live release is back with that: its release is whole again.
  if (live !== undefined && plan.changes.length === 0 && target.mustPublish !== true) {
    await target.settle?.()
    return { plan, live: live.id, uploaded }
  }
  const activated = await target.publish(
    {
      draft,
      base: plan.base,
      secrets: prepared.secrets,
      summary: summarisePlan(plan),
      ...(options.deferMigrations === undefined
        ? {}
        : { deferMigrations: options.deferMigrations }),
    },
    step => observer.onStep?.(step),
  )
  await target.settle?.()
  return { plan, activated, live: activated.id, uploaded }
}

/** Somebody else may write into the folder at any time: an editor, or a build of one's own. */
function explain(error: unknown, project: Project): unknown {
  const { path } = error as { path?: unknown }
  if (systemErrorCode(error) !== 'ENOENT' || typeof path !== 'string') return error
  return new MokaError(
    'DEPLOY_FILE_GONE',
    `cannot deploy project "${project.name}": "${relative(project.root, path)}" went away while it was being read`,
    { hint: 'nothing was changed; deploy again when nothing writes into the folder', cause: error },
  )
}
