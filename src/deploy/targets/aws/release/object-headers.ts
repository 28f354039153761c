import type { ReleaseFile } from '../../../../releases/manifest.ts'

/** What an object is stored with, and answered with. */
export interface ObjectHeaders {
  contentType: string
  cacheControl: string
  /** `x-amz-meta-…`, which visitors do not get. */
  metadata?: Readonly<Record<string, string>>
}

/** As the edge at home has them (src/edge/files/file-response.ts). */
export function objectHeaders(
  path: string,
  { type, immutable }: Pick<ReleaseFile, 'type' | 'immutable'>,
): ObjectHeaders {
  return {
    contentType: type,
    cacheControl:
      immutable === true
        ? 'public, max-age=31536000, immutable'
        : 'public, max-age=0, must-revalidate',
    // The viewer-response function tells the page of what is missing by it.
    ...(path === '/404.html' && { metadata: { 'moka-status': '404' } }),
  }
}
