import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ReleaseDraft } from '../../releases/manifest.ts'
import { MokaError } from '../../shared/errors.ts'
import { checkHeaders, checkRedirects, type RuleProblem } from './check-rules.ts'

export type SiteRules = Pick<ReleaseDraft, 'redirects' | 'headers'>

/**
 * Reads `_redirects` and `_headers` at the site's root, in Netlify's syntax; `warnings` are of
 * rules that will do nothing, or not all they say. Throws `DEPLOY_RULES_INVALID` with the line
 * that cannot be read.
 */
export async function readRules(
  directory: string,
): Promise<{ rules: SiteRules; warnings: string[] }> {
  const redirectsFile = join(directory, '_redirects')
  const headersFile = join(directory, '_headers')
  const warnings = [
    ...(await checkFile('_redirects', redirectsFile, checkRedirects)),
    ...(await checkFile('_headers', headersFile, checkHeaders)),
  ]
  return {
    rules: {
      redirects: existsSync(redirectsFile) ? await readRedirects(redirectsFile) : [],
      headers: existsSync(headersFile) ? await readHeaders(headersFile) : [],
    },
    warnings,
  }
}

/** Netlify's parsers pass over much that is a slip, and name the line of little. */
async function checkFile(
  name: string,
  file: string,
  check: (text: string) => RuleProblem[],
): Promise<string[]> {
  if (!existsSync(file)) return []
  const problems = check(await readFile(file, 'utf8'))
  const fatal = problems.find(({ isFatal }) => isFatal)
  if (fatal !== undefined) {
    throw new MokaError(
      'DEPLOY_RULES_INVALID',
      `cannot read ${name}, line ${fatal.line}: ${fatal.text}`,
      { hint: fatal.hint ?? 'one rule a line, as docs/guides/redirects-and-headers.md shows' },
    )
  }
  return problems.map(({ line, text }) => `${name}, line ${line}: ${text}`)
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
