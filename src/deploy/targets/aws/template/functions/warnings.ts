import type { Project, ProjectFunction } from '../../../../../config/project.ts'
import { ORIGIN_TIMEOUT_SECONDS } from './function-url.ts'
import { API_TIMEOUT_SECONDS } from './http-api.ts'

/** What functions ask for and AWS does otherwise, for people. */
export function functionWarnings(project: Project): string[] {
  return project.functions.flatMap(settings => {
    if (settings.routes.length === 0) return []
    const hasUrl = project.aws.functionUrls.includes(settings.name)
    return [hasUrl ? urlTimeout(settings) : apiTimeout(settings), limit(settings)].flat()
  })
}

function apiTimeout({ name, timeoutMs }: ProjectFunction): string[] {
  if (timeoutMs <= API_TIMEOUT_SECONDS * 1000) return []
  return [
    `function "${name}" has ${timeoutMs / 1000} s, and the HTTP API answers 503 after ${API_TIMEOUT_SECONDS} s: name it in aws.functionUrls, or let it end sooner`,
  ]
}

function urlTimeout({ name, timeoutMs }: ProjectFunction): string[] {
  if (timeoutMs <= ORIGIN_TIMEOUT_SECONDS * 1000) return []
  return [
    `function "${name}" has ${timeoutMs / 1000} s, and CloudFront answers 504 after ${ORIGIN_TIMEOUT_SECONDS} s without an octet of it`,
  ]
}

function limit({ name, rateLimit }: ProjectFunction): string[] {
  if (rateLimit?.per !== 'client') return []
  return [
    `function "${name}" has a rateLimit for each client, and the HTTP API counts all of them together`,
  ]
}
