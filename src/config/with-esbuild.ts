type Esbuild = typeof import('esbuild')

/** Builds that follow one another share a process; a cloud at rest has none. */
const IDLE_MS = 1000

let running = 0
let timer: NodeJS.Timeout | undefined
/** How often the process of esbuild was given up. */
let generation = 0

/**
 * Uses esbuild, whose work is done by a process of its own. When that was killed the work is done
 * once more by a new one: esbuild itself would fail from then on.
 */
export async function withEsbuild<T>(use: (esbuild: Esbuild) => Promise<T>): Promise<T> {
  const esbuild = await import('esbuild')
  clearTimeout(timer)
  running++
  const begunIn = generation
  try {
    return await use(esbuild)
  } catch (error) {
    if (!isServiceGone(error)) throw error
    if (begunIn === generation) {
      generation++
      await esbuild.stop()
    }
    return await use(esbuild)
  } finally {
    running--
    if (running === 0) timer = setTimeout(() => void esbuild.stop(), IDLE_MS).unref()
  }
}

function isServiceGone(error: unknown): boolean {
  const text = error instanceof Error ? error.message : ''
  return /^The service (?:was stopped|is no longer running)/.test(text)
}

/** What to do about an import that is not found, esbuild's or Node's; undefined for other errors. */
export function hintForImport(message: string): string | undefined {
  const name = /(?:Could not resolve|Cannot find (?:package|module)) ["']([^"']+)["']/.exec(
    message,
  )?.[1]
  if (name === undefined) return undefined
  if (/^[./#~]|^\w+:/.test(name)) return 'correct the path of the import'
  const packageName = /^(?:@[^/]+\/)?[^/]+/.exec(name)![0]
  return `npm install ${packageName}`
}
