import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ReleaseDraft } from '../../releases/manifest.ts'
import { MokaError } from '../../shared/errors.ts'

/**
 * Reads `_redirects` and `_headers` at the site's root, in Netlify's syntax. Throws
 * `DEPLOY_RULES_INVALID` with the line that cannot be read.
 */
export async function readRules(
  directory: string,
): Promise<Pick<ReleaseDraft, 'redirects' | 'headers'>> {
  const redirectsFile = join(directory, '_redirects')
  const headersFile = join(directory, '_headers')
  return {
    redirects: existsSync(redirectsFile) ? await readRedirects(redirectsFile) : [],
    headers: existsSync(headersFile) ? await readHeaders(headersFile) : [],
  }
}

async function readRedirects(file: string): Promise<ReleaseDraft['redirects']> {
  const { parseAllRedirects } = await import('@netlify/redirect-parser')
  const { redirects, errors } = await parseAllRedirects({
    redirectsFiles: [file],
    configRedirects: [],
    minimal: false,
  })
  if (errors.length > 0) throw unreadable('_redirects', errors[0])
  // As a stored release has them: JSON knows no undefined.
  return JSON.parse(JSON.stringify(redirects)) as ReleaseDraft['redirects']
}

async function readHeaders(file: string): Promise<ReleaseDraft['headers']> {
  const { parseAllHeaders } = await import('@netlify/headers-parser')
  const { headers, errors } = await parseAllHeaders({
    headersFiles: [file],
    netlifyConfigPath: undefined,
    configHeaders: [],
    minimal: true,
  })
  if (errors.length > 0) throw unreadable('_headers', errors[0])
  return headers
}

function unreadable(name: string, error: unknown): MokaError {
  const message = (error instanceof Error ? error.message : String(error)).trim()
  return new MokaError('DEPLOY_RULES_INVALID', `cannot read ${name}: ${message}`, {
    hint: 'one rule a line, as docs/guides/redirects-and-headers.md shows',
  })
}
