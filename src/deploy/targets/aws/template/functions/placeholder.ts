import type { ProjectFunction } from '../../../../../config/project.ts'

/**
 * Newest of each that Lambda documents, but for Python: of 3.13 more packages have ready builds.
 * Supported until April 2028 and June 2029.
 */
const RUNTIMES = { node: 'nodejs24.x', python: 'python3.13' } as const

const BODY = 'This function has no release yet.\\n'
const CODE = {
  node: `exports.handler = async () => ({
  statusCode: 503,
  headers: { 'content-type': 'text/plain', 'cache-control': 'no-store', 'retry-after': '10' },
  body: '${BODY}',
})
`,
  python: `def handler(event, context):
    return {
        "statusCode": 503,
        "headers": {"content-type": "text/plain", "cache-control": "no-store", "retry-after": "10"},
        "body": "${BODY}",
    }
`,
} as const

/** A function until its first release: runtime, handler and code that answers 503. */
export const placeholder = (runtime: ProjectFunction['runtime']) => ({
  Runtime: RUNTIMES[runtime],
  Handler: 'index.handler',
  Code: { ZipFile: CODE[runtime] },
})
