/**
 * Debian's Chromium, and pages that notice what a page of ours must never do:
 * ask another origin, break its own policy, or fail without a word.
 *
 * @packageDocumentation
 */

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'

const SCREENSHOTS = resolve(import.meta.dirname, '../../.cache/screenshots')

/** How a page is looked at. */
export type Look = 'light' | 'dark' | 'phone'

const LOOKS: Readonly<Record<Look, BrowserContextOptions>> = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 860 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 860 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
}

/** A page, and what went wrong in it. */
export interface Watched extends AsyncDisposable {
  readonly page: Page
  /** Requests to other origins, broken policies and errors nobody caught. */
  readonly wrong: readonly string[]
  /** Bodies of the API's answers. */
  readonly answers: () => Promise<readonly string[]>
}

/** Starts the browser. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-quic',
      '--no-first-run',
      '--disable-component-update',
      '--disable-sync',
      // The shared memory of a container may be too small for a page.
      '--disable-dev-shm-usage',
    ],
  })

/** Opens a page. */
export async function openPage(browser: Browser, url: string, look: Look = 'light'): Promise<Watched> {
  const context = await browser.newContext({ ...LOOKS[look], reducedMotion: 'reduce' })
  const wrong: string[] = []
  const bodies: Promise<string>[] = []
  // The page itself tells of what its policy stopped; the console does for what came before.
  await context.addInitScript(
    `addEventListener('securitypolicyviolation', (event) => console.error('Policy broken: ' + event.violatedDirective + ' ' + event.blockedURI))`,
  )
  context.on('request', (request) => {
    if (new URL(request.url()).origin !== url) wrong.push(`asked ${request.url()}`)
  })
  const page = await context.newPage()
  page.on('console', (message) => {
    const text = message.text()
    if (/polic|refused to/i.test(text)) wrong.push(text)
  })
  page.on('pageerror', (error) => wrong.push(`${error.name}: ${error.message}`))
  page.on('response', (response) => {
    // A stream has no whole body before it ends.
    if (!new URL(response.url()).pathname.startsWith('/v1/') || response.url().endsWith('/events')) return
    bodies.push(response.text().catch(() => ''))
  })
  await page.goto(url)
  return {
    page,
    wrong,
    answers: () => Promise.all(bodies),
    [Symbol.asyncDispose]: () => context.close(),
  }
}

/** Signs in at a page. */
export async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation').waitFor()
}

/** Keeps a picture of a page. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true })
}

/** What axe-core finds wrong with a page, one line a rule. */
export async function inaccessible(page: Page): Promise<readonly string[]> {
  // A page keeps it: only the part of the address behind "#" changes.
  if ((await page.evaluate('typeof axe')) === 'undefined') {
    await page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'))
  }
  const found: { id: string; nodes: { html: string; failureSummary: string }[] }[] = await page.evaluate(
    `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations.map(({ id, nodes }) =>
      ({ id, nodes: nodes.map(({ html, failureSummary }) => ({ html, failureSummary })) })))`,
  )
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)}\n  ${failureSummary}`),
  )
}
