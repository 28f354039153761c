import type { UploadProgress } from '../../control/cloud-api.ts'
import { formatDuration, type Reporter } from '../reporter.ts'

const WIDTH = 20
/** More often nobody can read it. */
const EVERY_MS = 100
/** Before that the speed is a guess. */
const SPEED_AFTER_MS = 1000

/** Shows an upload as one line that is written anew, on a terminal: bytes, objects, speed, what is left. */
export function uploadBar(
  reporter: Pick<Reporter, 'progress'>,
  now: () => number = () => performance.now(),
): (progress: UploadProgress) => void {
  let startMs: number | undefined
  let shownMs = Number.NEGATIVE_INFINITY
  let startBytes = 0
  return progress => {
    const nowMs = now()
    if (startMs === undefined) {
      startMs = nowMs
      startBytes = progress.sizeBytes
    }
    if (nowMs - shownMs < EVERY_MS) return
    shownMs = nowMs
    const elapsedMs = nowMs - startMs
    const sent = progress.sizeBytes - startBytes
    const speed = elapsedMs < SPEED_AFTER_MS || sent <= 0 ? undefined : sent / (elapsedMs / 1000)
    reporter.progress(describe(progress, speed))
  }
}

function describe(
  { blobs, totalBlobs, sizeBytes, totalBytes }: UploadProgress,
  bytesPerSecond: number | undefined,
): string {
  const share = totalBytes === 0 ? blobs / Math.max(1, totalBlobs) : sizeBytes / totalBytes
  const filled = Math.floor(share * WIDTH)
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}]`
  const [unit, divisor] = totalBytes < 1e6 ? ['kB', 1e3] : ['MB', 1e6]
  const size = (bytes: number) => (bytes / divisor!).toFixed(1)
  const parts = [
    `${size(sizeBytes)} of ${size(totalBytes)} ${unit}`,
    `${blobs} of ${totalBlobs} objects`,
  ]
  if (bytesPerSecond !== undefined) {
    parts.push(`${(bytesPerSecond / 1e6).toFixed(1)} MB/s`)
    parts.push(`${formatDuration(((totalBytes - sizeBytes) / bytesPerSecond) * 1000)} left`)
  }
  return `uploading ${bar} ${parts.join(', ')}`
}
