/** Counts the visits of the site: POST counts one and answers the new number, GET only answers it. */

import postgres from 'postgres'

interface HttpEvent {
  requestContext: { http: { method: string } }
}

const PAGE = 'home'

/**
 * One connection, kept between invocations. No timer runs while the process is frozen: a
 * connection older than the idle timeout is replaced right after the thaw, before it is used.
 */
const sql = postgres(process.env.DATABASE_URL ?? '', {
  max: 1,
  idle_timeout: 60, // seconds
  connect_timeout: 4, // seconds; less than the function's timeoutSeconds
  fetch_types: false, // saves one round trip when connecting; needed for arrays only
  onnotice: () => {},
})

export async function handler(event: HttpEvent) {
  const { method } = event.requestContext.http
  if (method === 'POST') return answer(200, { count: await connected(countOne) })
  if (method === 'GET') return answer(200, { count: await connected(read) })
  return answer(405, { error: 'method not allowed' }, { allow: 'GET, POST' })
}

/** One statement, so that two visits in the same instant are two visits. */
async function countOne(): Promise<number> {
  const rows = await sql<{ count: string }[]>`
    INSERT INTO visits (page, count) VALUES (${PAGE}, 1)
    ON CONFLICT (page) DO UPDATE SET count = visits.count + 1
    RETURNING count`
  return Number(rows[0]?.count)
}

async function read(): Promise<number> {
  const rows = await sql<{ count: string }[]>`SELECT count FROM visits WHERE page = ${PAGE}`
  return Number(rows[0]?.count ?? 0)
}

/**
 * Runs a query, and once more when the server turns out to have closed the connection while
 * this process was frozen. At worst a visit counts twice; none is lost.
 */
async function connected<T>(query: () => Promise<T>): Promise<T> {
  try {
    return await query()
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'CONNECTION_CLOSED') throw error
    return query()
  }
}

function answer(statusCode: number, body: object, moreHeaders: Record<string, string> = {}) {
  return {
    statusCode,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...moreHeaders },
    body: JSON.stringify(body),
  }
}
