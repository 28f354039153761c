import { readFile } from 'node:fs/promises'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'

/** Set by `npm test`, which looks for a Chromium and installs one where it may. */
export const CHROMIUM_PATH = process.env.CHROMIUM_PATH ?? ''

/** A headless Chromium with a new profile that speaks to nobody but the pages it is given. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM_PATH,
    timeout: 90_000,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** A page of its own context, and what went wrong on it. */
export interface WatchedPage {
  page: Page
  context: BrowserContext
  /** Errors of the console, of scripts and of the content security policy, in order. */
  problems: string[]
}

export async function openPage(
  browser: Browser,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<WatchedPage> {
  const context = await browser.newContext(options)
  context.setDefaultTimeout(60_000)
  const page = await context.newPage()
  const problems: string[] = []
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text())
  })
  page.on('pageerror', error => problems.push(String(error)))
  page.on('requestfailed', request => problems.push(`${request.url()} did not load`))
  return { page, context, problems }
}

const CHECKS = await readFile(new URL('./page-checks.js', import.meta.url), 'utf8')

/** What on the page is against basics of accessibility, light or dark: one text for each fault. */
export async function findFaults(page: Page): Promise<string[]> {
  await page.evaluate(CHECKS)
  return page.evaluate<string[]>('[...findFaults(), ...findPaleTexts()]')
}
