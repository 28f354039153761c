import type { CloudApi } from '../../control/cloud-api.ts'
import type { PreviewRequest } from '../../control/previews/previews-api.ts'
import type { DeployTarget } from '../deploy.ts'

/**
 * Deploys to a preview in place of going live. The plan tells what differs from what the preview
 * shows, and for a new one from the live release, whose compressed forms are taken over. It is
 * published where nothing differs, too: it has its time from the last deploy on.
 */
export function previewTarget(
  cloud: DeployTarget & Pick<CloudApi, 'previews'>,
  preview: PreviewRequest,
): DeployTarget {
  let base: string | null = null
  return {
    ...(cloud.secrets && { secrets: cloud.secrets }),
    ...(cloud.isCompressing && { isCompressing: true }),
    mustPublish: true,
    review: draft => cloud.review?.(draft, preview) ?? [],
    async live(project) {
      const shown = await cloud.previews.shown(project, preview.name)
      base = shown?.id ?? null
      return shown ?? cloud.live(project)
    },
    missingBlobs: (blobs, of) => cloud.missingBlobs(blobs, of),
    putBlobs: (...given) => cloud.putBlobs(...given),
    // Its database is its own, and asked for by visitors at once.
    publish: ({ deferMigrations: _, ...request }, onStep) =>
      cloud.publish({ ...request, base, preview }, onStep),
  }
}
