import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CHROMIUM_PATH, findFaults, openBrowser, openPage } from '../support/browser.ts'
import {
  copyPortfolio,
  moka,
  remove,
  startDev,
  type TestCloud,
  temporaryFolder,
} from '../support/moka.ts'

// The portfolio in a real browser, on a cloud of its own. Where there is no Chromium these tests
// are shown as skipped, and `npm test` says so in its last lines.

/** The first visit also makes the database. */
const FIRST_VISIT_MS = 60_000

interface Portfolio {
  project: string
  cloud: TestCloud
  close(): Promise<void>
}

async function openPortfolio(): Promise<Portfolio> {
  const project = await temporaryFolder('browser')
  await copyPortfolio(project)
  const cloud = await startDev(project)
  return {
    project,
    cloud,
    async close() {
      await cloud.stop()
      await remove(project)
    },
  }
}

/** The number on the page once it has one. */
async function shownCount(page: Page): Promise<number> {
  await page.locator('#visit-line').waitFor({ state: 'visible', timeout: FIRST_VISIT_MS })
  return Number(await page.locator('#visit-count').textContent())
}

/** Clicks the counter's button, and resolves with the status of the answer it got. */
async function click(page: Page): Promise<number> {
  const answered = page.waitForResponse(response => response.url().endsWith('/api/visits'))
  await page.locator('#visit-button').click()
  return (await answered).status()
}

describe.skipIf(CHROMIUM_PATH === '')('the portfolio in a browser', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await openBrowser()
  })
  afterAll(() => browser?.close())

  describe('as its visitors count', () => {
    let portfolio: Portfolio
    beforeAll(async () => {
      portfolio = await openPortfolio()
    })
    afterAll(() => portfolio?.close())

    it('shows the count, one higher after a reload, and again to another visitor', async () => {
      const { page, context, problems } = await openPage(browser)
      await page.goto(portfolio.cloud.addresses.site)
      const first = await shownCount(page)
      expect(first).toBe(1)
      await page.reload()
      expect(await shownCount(page)).toBe(first + 1)
      expect(problems).toEqual([])
      await context.close()

      const other = await openPage(browser)
      await other.page.goto(portfolio.cloud.addresses.site)
      expect(await shownCount(other.page)).toBe(first + 2)
      await other.context.close()
    })

    it('shows a changed page at the next load after a deploy', async () => {
      const { page, context, problems } = await openPage(browser)
      const { project, cloud } = portfolio
      await page.goto(`${cloud.addresses.site}/about/`)
      const before = await page.locator('h1').textContent()
      const file = join(project, 'site/about/index.html')
      const html = await readFile(file, 'utf8')
      expect(html).toContain(before)
      await writeFile(file, html.replace(before ?? '', 'I learnt to program to brew coffee.'))

      const deployed = await moka(['deploy', '--json'], { cwd: project })
      expect(deployed, deployed.stderr).toMatchObject({ code: 0 })
      await page.reload()
      expect(await page.locator('h1').textContent()).toBe('I learnt to program to brew coffee.')
      expect(problems).toEqual([])
      await context.close()
    })
  })

  describe('as a visitor clicks too often', () => {
    let portfolio: Portfolio
    beforeAll(async () => {
      portfolio = await openPortfolio()
    })
    afterAll(() => portfolio?.close())

    it('refuses the sixth call in a minute, says so kindly and keeps the number', async () => {
      const { page, context } = await openPage(browser)
      await page.goto(portfolio.cloud.addresses.site)
      expect(await shownCount(page)).toBe(1) // the load is the first call
      for (const call of [2, 3, 4, 5]) {
        expect(await click(page)).toBe(200)
        await page.locator('#visit-count', { hasText: String(call) }).waitFor()
      }
      expect(await click(page)).toBe(429)
      const message = page.locator('#visit-message', { hasText: /try again in \d+ seconds?/ })
      await message.waitFor()
      const seconds = Number(/(\d+) second/.exec((await message.textContent()) ?? '')?.[1])
      expect(seconds).toBeGreaterThan(0)
      expect(seconds).toBeLessThanOrEqual(60)
      expect(await shownCount(page)).toBe(5)

      // A page that is loaded while the limit holds has no number, and says why.
      const late = await openPage(browser)
      await late.page.goto(portfolio.cloud.addresses.site)
      await late.page.locator('#visit-message', { hasText: /try again/ }).waitFor()
      expect(await late.page.locator('#visit-line').isVisible()).toBe(false)
      await late.context.close()
      await context.close()
    })
  })

  describe('on any screen', () => {
    const PAGES = ['/', '/projects/', '/projects/night-bus/', '/about/', '/contact/']
    let portfolio: Portfolio
    let site = ''
    beforeAll(async () => {
      portfolio = await openPortfolio()
      site = portfolio.cloud.addresses.site
    })
    afterAll(() => portfolio?.close())

    it('loads every page without an error or a breach of its security policy', async () => {
      const { page, context, problems } = await openPage(browser)
      for (const path of PAGES) {
        const response = await page.goto(site + path, { waitUntil: 'networkidle' })
        expect(response?.status(), path).toBe(200)
        expect(response?.headers()['content-security-policy'], path).toContain("default-src 'self'")
      }
      expect(problems).toEqual([])
      await context.close()
    })

    it('fits a screen of 360 pixels', async () => {
      const viewport = { width: 360, height: 640 }
      const { page, context } = await openPage(browser, {
        viewport,
        isMobile: true,
        hasTouch: true,
      })
      for (const path of [...PAGES, '/not/there']) {
        await page.goto(site + path)
        const width = await page.evaluate('document.documentElement.scrollWidth')
        expect(width, path).toBeLessThanOrEqual(360)
      }
      await context.close()
    })

    it.each(['light', 'dark'] as const)('is accessible and readable in %s', async colorScheme => {
      const { page, context } = await openPage(browser, { colorScheme })
      for (const path of [...PAGES, '/not/there']) {
        await page.goto(site + path)
        expect(await findFaults(page), path).toEqual([])
      }
      const colour = await page.evaluate<string>(
        'getComputedStyle(document.documentElement).backgroundColor',
      )
      const brightness = (colour.match(/\d+/g) ?? []).reduce((sum, value) => sum + Number(value), 0)
      if (colorScheme === 'dark') expect(brightness).toBeLessThan(3 * 64)
      else expect(brightness).toBeGreaterThan(3 * 192)
      await context.close()
    })

    it('shows the page for what is not there, with its pictures and styles, at any depth', async () => {
      const { page, context } = await openPage(browser)
      const failed: string[] = []
      page.on('response', response => {
        if (response.status() >= 400 && response.request().resourceType() !== 'document')
          failed.push(response.url())
      })
      const response = await page.goto(`${site}/projects/of/nobody/here`)
      expect(response?.status()).toBe(404)
      expect(await page.locator('h1').textContent()).toBe('This pot is empty.')
      const isDrawn =
        '[...document.images].every(({ complete, naturalWidth }) => complete && naturalWidth)'
      expect(await page.evaluate(isDrawn)).toBe(true)
      const spacing = "getComputedStyle(document.querySelector('h1')).letterSpacing"
      expect(await page.evaluate(spacing)).not.toBe('normal')
      expect(failed).toEqual([])
      await page.locator('main a.button').click()
      await page.waitForURL(`${site}/`)
      await context.close()
    })

    it('is reached by keyboard: first the skip link, which leads to the content', async () => {
      const { page, context } = await openPage(browser)
      await page.goto(`${site}/about/`)
      await page.keyboard.press('Tab')
      const focused = "document.activeElement.getAttribute('href')"
      expect(await page.evaluate(focused)).toBe('#content')
      const box = await page.locator('a.skip').boundingBox()
      expect(box !== null && box.x >= 0 && box.y >= 0, 'it is in sight').toBe(true)
      await page.keyboard.press('Enter')
      expect(new URL(page.url()).hash).toBe('#content')
      await context.close()
    })

    it('needs no script but for the counter', async () => {
      const { page, context } = await openPage(browser, { javaScriptEnabled: false })
      await page.goto(site)
      expect(await page.locator('h1').isVisible()).toBe(true)
      expect(await page.locator('#visit-counter').isVisible()).toBe(false)
      await page.getByRole('link', { name: 'High Water' }).click()
      await page.waitForURL(`${site}/projects/high-water/`)
      await context.close()
    })
  })
})
