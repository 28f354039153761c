import type { Project } from '../../config/project.ts'
import type { SiteWeight } from './page-weight.ts'

/** What is taken as so where nothing tells better; `moka cost` prints them. */
export const ASSUMED = {
  /** Of a site that is not built: files and bytes that a page loads. */
  pageFiles: 12,
  pageBytes: 600_000,
  /** Each function, in each visit. */
  callsPerVisit: 1,
  /** Of a call, where no home cloud has logs of it. */
  callMs: 100,
  /** Head and body of a function's answer, and head of a file's. */
  answerBytes: 2000,
  fieldsBytes: 500,
  /** Requests for files that CloudFront has not in its cache, and asks S3 for. */
  missRatio: 0.2,
  /** For a file: the function at the viewer's request, and the one at the response. */
  edgeFunctionsPerFile: 2,
  /** For a file: what is live, where the path's file lies, what `_headers` says. */
  readsPerFile: 3,
  /** What Lambda and a function write of one call. */
  logBytesPerCall: 600,
  /** A line of CloudFront's access log, compressed. */
  accessLogBytesPerRequest: 150,
  deploysPerMonth: 20,
  changedFilesPerDeploy: 10,
  /** Other questions than those for the site's addresses, which cost nothing. */
  paidDnsQueriesPerVisit: 0.2,
  databaseGb: 20,
  /** Of Aurora DSQL, by one statement on one row or a few. */
  unitsPerCall: 0.03,
  dsqlGb: 0.1,
} as const

/** Of a month. */
export interface Usage {
  cloudfrontGb: number
  cloudfrontRequests: number
  edgeFunctionRuns: number
  keyValueReads: number
  invalidatedPaths: number
  s3Gb: number
  s3Reads: number
  s3Writes: number
  calls: number
  httpApiCalls: number
  computeGbSeconds: number
  logGb: number
  dnsQueries: number
  dsqlUnits: number
}

/** How long a call takes at home, by function, in milliseconds. */
export type MeasuredCalls = ReadonlyMap<string, number>

/** What a project asks of AWS in a month with so many visits, each of one page with all that it loads. */
export function usageOf(
  project: Project,
  site: SiteWeight | undefined,
  visits: number,
  measured: MeasuredCalls,
): Usage {
  const page =
    site === undefined
      ? { files: ASSUMED.pageFiles, bytes: ASSUMED.pageBytes }
      : (site.page ?? { files: 0, bytes: 0 })
  const { functions, aws } = project
  const callsOfEach = visits * ASSUMED.callsPerVisit
  const calls = callsOfEach * functions.length
  const overHttpApi = functions.filter(({ name }) => !aws.functionUrls.includes(name)).length
  const fileRequests = visits * page.files
  const requests = fileRequests + calls
  const isClassic = aws.mode === 'classic'
  const siteBytes = site?.bytes ?? ASSUMED.pageBytes * 10
  return {
    cloudfrontRequests: requests,
    cloudfrontGb:
      (visits * page.bytes + fileRequests * ASSUMED.fieldsBytes + calls * ASSUMED.answerBytes) /
      1e9,
    // One stands before each call; in classic mode, which has no previews, not before the HTTP API.
    edgeFunctionRuns:
      fileRequests * ASSUMED.edgeFunctionsPerFile +
      callsOfEach * (isClassic ? functions.length - overHttpApi : functions.length),
    keyValueReads: isClassic ? 0 : fileRequests * ASSUMED.readsPerFile,
    invalidatedPaths: isClassic ? ASSUMED.deploysPerMonth * ASSUMED.changedFilesPerDeploy : 0,
    // What stays of earlier releases is what changed since.
    s3Gb: (siteBytes * 2 + requests * ASSUMED.accessLogBytesPerRequest) / 1e9,
    s3Reads: fileRequests * ASSUMED.missRatio,
    s3Writes: (site?.files ?? 0) + ASSUMED.deploysPerMonth * (ASSUMED.changedFilesPerDeploy + 20),
    calls,
    httpApiCalls: callsOfEach * overHttpApi,
    computeGbSeconds: functions.reduce((sum, { name, memoryMb }) => {
      const seconds = Math.ceil(measured.get(name) ?? ASSUMED.callMs) / 1000
      return sum + callsOfEach * seconds * (memoryMb / 1024)
    }, 0),
    logGb: (calls * ASSUMED.logBytesPerCall) / 1e9,
    dnsQueries: project.domain === undefined ? 0 : visits * ASSUMED.paidDnsQueriesPerVisit,
    dsqlUnits: calls * ASSUMED.unitsPerCall,
  }
}
