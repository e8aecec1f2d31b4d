/** V3, V5: nothing is played here: a browser, a whole `serve` with its keyholder, and the engine. */

import { randomInt, randomUUID } from 'node:crypto'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { secretName, SecretValue } from '../../src/secret.js'
import { openStore, type Store } from '../../src/store/open.js'
import { openPage, signIn, startBrowser } from '../browser/browser.js'
import { hasImage } from '../support/engine.js'
import { startProgram, type Running } from '../support/fleet.js'
import { temporaryFolder, type Folder } from '../support/folder.js'
import { processesWith, until } from '../support/processes.js'
import { textOf } from '../support/store.js'
import { randomToken } from '../support/tokens.js'

let folder: Folder
let server: Running
let store: Store
let browser: Browser
let url: string
let token: string

beforeAll(async () => {
  folder = await temporaryFolder()
  const env = { TRACELESS_HOME: folder.file('home'), TRACELESS_DATABASE: '' }
  server = await startProgram(['serve', '--port', '0'], env)
  url = server.ready.slice(server.ready.indexOf('http'))
  store = await openStore({ home: folder.file('home'), env: {} })
  const made = await store.tokens.create({ name: 'browser', scopes: ['admin'], createdBy: 'test' })
  token = textOf(made.text)
  browser = await startBrowser()
})
afterAll(async () => {
  await browser.close()
  await store.close()
  await server[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

async function set(name: string, text: string): Promise<void> {
  await store.admin.set({ environment: 'main' }, [
    { name: secretName(name), value: SecretValue.fromText(text) },
  ])
}

async function submit(page: Page, dockerfile: readonly string[], image: string): Promise<void> {
  await page.evaluate("location.hash = '#/builds/new'")
  await page.getByLabel('Dockerfile').fill(dockerfile.join('\n'))
  await page.getByLabel('Names of the image').fill(image)
  await page.getByRole('button', { name: 'Build', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: image }).waitFor()
}

it('V3: a build with a secret is followed as it runs, and its leak is shown where it sits', async () => {
  const [value, image] = [randomToken(), `traceless-test/dashboard:${randomUUID()}`]
  await set('API_KEY', value)
  await using watched = await openPage(browser, url)
  const { page, wrong, answers } = watched
  await signIn(page, token)
  // The step waits until the test ends its sleep, which is known by its length.
  const seconds = String(randomInt(1e8, 1e9))
  const text = [
    'FROM traceless-base:tiny',
    `RUN --mount=type=secret,id=API_KEY echo "begun with $(cat /run/secrets/API_KEY)"; sleep ${seconds}; cp /run/secrets/API_KEY /kept; echo "done $((40 + 2))"`,
  ]
  await submit(page, text, image)
  const log = page.getByRole('log')
  await log.getByText('begun with ***').waitFor()
  // Live: what the step says last is not there yet.
  expect(await log.innerText()).not.toContain('done 42')
  for (const pid of processesWith(`sleep\0${seconds}`)) process.kill(pid)
  await log.getByText('done 42').waitFor()
  await page.getByText('A secret is in the image.').waitFor()
  const slab = await page.locator('.slab.leak').first().innerText()
  expect(slab).toContain('API_KEY')
  expect(slab).toContain('kept')
  expect(await hasImage(image)).toBe(false)
  const seen = [await page.locator('body').innerText(), ...(await answers()), server.printed()]
  for (const each of seen) expect(each).not.toContain(value)
  expect(wrong).toEqual([])
})

it('V3, B8: a build is cancelled on the page, and its step is gone from the engine', async () => {
  const [word, image] = [`cancel-${randomUUID()}`, `traceless-test/dashboard:${randomUUID()}`]
  await set('API_KEY', randomToken())
  await using watched = await openPage(browser, url)
  const { page } = watched
  await signIn(page, token)
  const step = `RUN --mount=type=secret,id=API_KEY wc -c < /run/secrets/API_KEY; echo waiting; sleep 600; : ${word}`
  await submit(page, ['FROM traceless-base:tiny', step], image)
  await page.getByRole('log').getByText('#2 waiting').waitFor()
  expect(processesWith(word)).not.toEqual([])
  await page.getByRole('button', { name: 'Cancel the build' }).click()
  await page.getByText('The build was cancelled.').waitFor()
  expect(await until(() => processesWith(word).length === 0, 2_000)).toBe(true)
  expect(await hasImage(image)).toBe(false)
})
