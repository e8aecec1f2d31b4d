/** V3: the dashboard, as a person with a browser uses it. */

import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readAll } from '../support/store.js'
import {
  inaccessible,
  keepPicture,
  openPage,
  signIn,
  startBrowser,
  type Look,
  type Watched,
} from './browser.js'
import { startServed, type Served } from './served.js'

const CANARY = 'ghp-canary_0123456789'

let served: Served
let browser: Browser
let admin: string

beforeAll(async () => {
  served = await startServed()
  browser = await startBrowser()
  admin = await served.token('admin')
  await served.set({ API_KEY: 'one', DATABASE_URL: 'postgres://x', LOG_LEVEL: 'info' })
  await served.set({ API_KEY: 'two' }, 'staging')
  await served.store.admin.groups.create({ environment: 'main', name: 'web' }, [])
})

afterAll(async () => {
  await browser.close()
  await served[Symbol.asyncDispose]()
})

/** A page where somebody is signed in. */
async function signedIn(look: Look = 'light', token = admin): Promise<Watched> {
  const watched = await openPage(browser, served.url, look)
  await signIn(watched.page, token)
  return watched
}

const go = async (page: Page, route: string): Promise<void> => {
  await page.evaluate(`location.hash = ${JSON.stringify(route)}`)
  await page.getByRole('heading', { level: 1 }).waitFor()
}

async function submit(page: Page, dockerfile: string): Promise<void> {
  await go(page, '#/builds/new')
  await page.getByLabel('Dockerfile').fill(dockerfile)
  await page.getByLabel('Names of the image').fill('app:1')
  await page.getByRole('button', { name: 'Build', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'app:1' }).waitFor()
}

const nameField = (page: Page): Locator =>
  page.getByRole('dialog').getByRole('textbox', { name: 'Name', exact: true })

const textOf = async (page: Page): Promise<string> => await page.locator('body').innerText()

describe('V3: signing in', () => {
  it('V3: takes a token, and keeps it where no script can read it', async () => {
    await using watched = await openPage(browser, served.url)
    const { page, wrong } = watched
    await page.getByLabel('Token').fill(`tls_${'x'.repeat(43)}`)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').getByText('does not know that token').waitFor()
    await keepPicture(page, 'sign-in-refused')
    await signIn(page, admin)
    expect(await page.getByLabel('Token').count()).toBe(0)
    const [cookie, ...others] = await page.context().cookies()
    expect([cookie?.name, cookie?.httpOnly, cookie?.sameSite, others]).toEqual([
      'traceless_session',
      true,
      'Strict',
      [],
    ])
    const kept = await page.evaluate(
      'document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.documentElement.outerHTML',
    )
    expect(kept).not.toContain(admin)
    await page.reload()
    await page.getByRole('navigation').waitFor()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Token').waitFor()
    expect(await page.context().cookies()).toEqual([])
    expect(wrong).toEqual([])
  })

  it('V3: a change without the header of the page is refused', async () => {
    await using watched = await signedIn()
    const status = (headers: string): Promise<number> =>
      watched.page.evaluate(
        `fetch('/v1/environments/main/deploy', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json', ${headers} } }).then(({ status }) => status)`,
      )
    expect(await status('')).toBe(403)
    expect(await status(`'x-traceless-csrf': '1'`)).toBe(200)
  })

  it('V3: goes to sign in when the session is over', async () => {
    const token = await served.token('secrets:list')
    await using watched = await signedIn('light', token)
    const { page } = watched
    const [entry] = await served.store.tokens.list()
    await served.store.tokens.revoke(entry?.id ?? '')
    await page.getByRole('link', { name: 'Groups' }).click()
    await page.getByLabel('Token').waitFor()
  })

  it('V3: shows what the token may do, and no more', async () => {
    const token = await served.token('secrets:list')
    await using watched = await signedIn('light', token)
    const { page } = watched
    await page.getByRole('link', { name: 'DATABASE_URL' }).waitFor()
    for (const name of ['New secret', 'Unset DATABASE_URL', 'Deploy']) {
      expect(await page.getByRole('button', { name }).count()).toBe(0)
    }
    for (const name of ['Tokens', 'Builds', 'Workers']) {
      expect(await page.getByRole('link', { name }).count()).toBe(0)
    }
  })
})

describe('V3: secrets', () => {
  it('V3: sets, stages, deploys, rolls back and unsets; a value goes in and never comes back', async () => {
    await using watched = await signedIn()
    const { page, wrong } = watched
    await page.getByRole('button', { name: 'New secret' }).click()
    await nameField(page).fill('NEW_TOKEN')
    await page.getByLabel('Value', { exact: true }).fill(CANARY)
    await page.getByLabel('Used by').selectOption('build-only')
    await keepPicture(page, 'secret-form')
    await page.getByRole('button', { name: 'Set now' }).click()
    await page.getByRole('status').getByText('Set NEW_TOKEN in main.').waitFor()
    expect(await readAll(served.store)).toMatchObject({ NEW_TOKEN: CANARY })

    await page.getByRole('button', { name: 'Edit NEW_TOKEN' }).click()
    expect(await page.getByLabel('Value', { exact: true }).inputValue()).toBe('')
    expect(await page.getByLabel('Used by').inputValue()).toBe('build-only')
    await page.getByText('Several lines').click()
    await page.getByLabel('Value', { exact: true }).fill('line 1\nline 2 ü')
    await page.getByRole('button', { name: 'Stage', exact: true }).click()
    await page.getByText('1 staged change').waitFor()
    expect(await readAll(served.store)).toMatchObject({ NEW_TOKEN: CANARY })
    await keepPicture(page, 'secrets-staged')
    await page.getByRole('button', { name: 'Deploy' }).click()
    await page.getByRole('status').getByText('Deployed NEW_TOKEN in main.').waitFor()
    expect(await readAll(served.store)).toMatchObject({ NEW_TOKEN: 'line 1\nline 2 ü' })

    await page.getByRole('link', { name: 'NEW_TOKEN' }).click()
    await page.getByRole('button', { name: /^Make live version/ }).click()
    await page.getByRole('button', { name: 'Make it live' }).click()
    await page.getByRole('status').getByText('is live again').waitFor()
    expect(await readAll(served.store)).toMatchObject({ NEW_TOKEN: CANARY })
    await page.getByText('rollback').waitFor()
    await keepPicture(page, 'secret')

    await go(page, '#/secrets')
    await page.getByLabel('Search by name or group').fill('new_')
    expect(await page.getByRole('row').count()).toBe(2)
    await page.getByRole('button', { name: 'Unset NEW_TOKEN' }).click()
    await page.getByRole('button', { name: 'Unset now' }).click()
    await page.getByText('No secret has that in its name.').waitFor()
    expect(await readAll(served.store)).not.toHaveProperty('NEW_TOKEN')

    const seen = [
      ...(await watched.answers()),
      ...served.log,
      await page.evaluate<string>(
        'document.documentElement.outerHTML + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)',
      ),
    ].join('\n')
    for (const text of [CANARY, Buffer.from(CANARY).toString('base64'), 'line 2 ü'])
      expect(seen).not.toContain(text)
    expect(wrong).toEqual([])
  })

  it('V3: says what the server refuses, in the form, and keeps what was typed', async () => {
    await using watched = await signedIn()
    const { page } = watched
    await page.getByRole('button', { name: 'New secret' }).click()
    await nameField(page).fill('TOO_LARGE')
    await page.evaluate(`document.querySelector('[name=value]').value = 'x'.repeat(600 * 1024)`)
    await page.getByRole('button', { name: 'Set now' }).click()
    await page.getByRole('dialog').getByRole('alert').waitFor()
    expect(await nameField(page).inputValue()).toBe('TOO_LARGE')
  })

  it('V3: deploys over what moved only when a person says so', async () => {
    await using watched = await signedIn()
    const { page } = watched
    await served.set({ MOVED: '1' }, 'staging')
    const { admin: secrets } = served.store
    const { secretName, SecretValue } = await import('../../src/secret.js')
    const changes = [{ name: secretName('MOVED'), value: SecretValue.fromText('2') }]
    await secrets.set({ environment: 'staging' }, changes, { stage: true })
    const [live] = (await secrets.versions({ environment: 'staging', name: secretName('MOVED') })).filter(
      (version) => version.live,
    )
    await secrets.unset({ environment: 'staging' }, [secretName('API_KEY')])
    await page.reload()
    await page.getByLabel('Environment').selectOption('staging')
    await secrets
      .rollback({ environment: 'staging', name: secretName('MOVED') }, live?.version ?? '')
      .catch(() => undefined)
    await page.getByRole('button', { name: 'Deploy' }).click()
    await page.getByRole('status').getByText('Deployed MOVED in staging.').waitFor()
    expect(await readAll(served.store, { environment: 'staging' })).toMatchObject({ MOVED: '2' })
  })

  it('V3: makes, fills and deletes a group', async () => {
    await using watched = await signedIn()
    const { page } = watched
    await go(page, '#/groups')
    await page.getByRole('button', { name: 'New group' }).click()
    await page.getByLabel('Name of the group').fill('mail')
    await page.getByLabel('Its first secret').fill('SMTP_PASSWORD')
    await page.getByLabel('Value', { exact: true }).fill(CANARY)
    await page.getByRole('button', { name: 'Create' }).click()
    await page.getByRole('link', { name: 'SMTP_PASSWORD' }).waitFor()
    await page.getByRole('button', { name: 'Add a secret to group mail' }).click()
    await nameField(page).fill('SMTP_USER')
    await page.getByLabel('Value', { exact: true }).fill('mailer')
    await page.getByRole('button', { name: 'Set now' }).click()
    await page.getByRole('link', { name: 'SMTP_USER' }).waitFor()
    await page.getByRole('button', { name: 'Delete group mail' }).click()
    expect(await page.getByRole('button', { name: 'Delete', exact: true }).isDisabled()).toBe(true)
    await page.getByLabel('Type mail to go on').fill('mail')
    await page.getByRole('button', { name: 'Delete', exact: true }).click()
    await page.getByRole('status').getByText('Deleted group mail of main.').waitFor()
  })
})

describe('V3: builds', () => {
  it('V3: submits a build and shows its log as it comes, its steps, and the proof', async () => {
    await using watched = await signedIn()
    const { page, wrong } = watched
    await submit(page, 'FROM traceless-base:tiny\n# slow')
    const log = page.getByRole('log')
    await log.getByText('using token ***').waitFor()
    expect(await log.innerText()).not.toContain('installed 12 packages')
    expect(await log.innerText()).toMatch(/resolving dependencies\n+#2 using token \*\*\*\n+#2 fetching 100%/)
    await page.getByText('running', { exact: true }).first().waitFor()
    await keepPicture(page, 'build-live')
    served.open()
    await log.getByText('installed 12 packages').waitFor()
    await page.getByText('Clean. All of it was read').waitFor()
    expect(await page.locator('.steps li').allInnerTexts()).toEqual([
      expect.stringMatching(/#1.*FROM traceless-base:tiny[^]*cached/),
      expect.stringMatching(/#2.*make install[^]*8\.4 s/),
      expect.stringMatching(/#3.*COPY app[^]*0\.3 s/),
    ])
    const layers = (await page.locator('.slab .number').allInnerTexts()).map((text) => text.at(-1))
    expect(layers.join()).toBe('4,3,2,1')
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download the image' }).click(),
    ])
    expect(download.suggestedFilename()).toMatch(/^[0-9a-f]{32}\.tar$/)
    // The same page, opened anew, shows the same from what the server kept.
    await page.reload()
    await page.getByText('Clean. All of it was read').waitFor()
    await log.getByText('installed 12 packages').waitFor()
    expect(wrong).toEqual([])
  })

  it('V3: shows where a leak sits, layer by layer', async () => {
    await using watched = await signedIn()
    const { page } = watched
    await submit(page, 'FROM traceless-base:tiny\n# leaky')
    await page.getByText('A secret is in the image.').waitFor()
    const slab = page.locator('.slab.leak', { hasText: 'make install' })
    expect(await slab.innerText()).toMatch(/direct_url\.json/)
    expect(await slab.innerText()).toMatch(/base64.*3 times.*bundle\.tar › config › settings\.json/)
    expect(await page.locator('.slab', { hasText: 'configuration and history' }).innerText()).toContain(
      'created_by',
    )
    expect(await page.locator('.slab.unread').innerText()).toContain('models.7z')
    await page.getByRole('heading', { name: 'Stage wheels' }).waitFor()
    expect(await textOf(page)).toContain('It got no name and was removed.')
    expect(await page.getByRole('link', { name: 'Download the image' }).count()).toBe(0)
  })

  it('V3: cancels a build', async () => {
    await using watched = await signedIn()
    const { page } = watched
    await submit(page, 'FROM traceless-base:tiny\n# forever')
    await page.getByRole('log').getByText('fetching').waitFor()
    await page.getByRole('button', { name: 'Cancel the build' }).click()
    await page.getByText('The build was cancelled.').waitFor()
    expect(await page.getByRole('button', { name: 'Cancel the build' }).count()).toBe(0)
    await go(page, '#/builds')
    await page.getByLabel('State').selectOption('cancelled')
    await page.getByRole('row').nth(1).waitFor()
    expect(await page.getByRole('row').count()).toBe(2)
  })
})

describe('V3: tokens', () => {
  it('V3: shows the text of a new token once, and revokes it', async () => {
    await using watched = await signedIn()
    const { page } = watched
    await go(page, '#/tokens')
    await page.getByRole('button', { name: 'New token' }).click()
    await nameField(page).fill('ci')
    await page.getByLabel('builds:submit').check()
    await keepPicture(page, 'token-form')
    await page.getByRole('button', { name: 'Create' }).click()
    const text = (await page.locator('code.token').innerText()).trim()
    expect(text).toMatch(/^tls_[A-Za-z0-9_-]{43}$/)
    const ask = async (): Promise<number> =>
      (await fetch(`${served.url}/v1/me`, { headers: { authorization: `Bearer ${text}` } })).status
    expect(await ask()).toBe(200)
    await page.getByRole('button', { name: 'Done' }).click()
    expect(await page.content()).not.toContain(text)
    await page.getByRole('button', { name: 'Revoke ci' }).click()
    await page.getByRole('button', { name: 'Revoke', exact: true }).click()
    await page.getByRole('status').getByText('Revoked ci.').waitFor()
    expect(await ask()).toBe(401)
  })
})

describe('V3: by keyboard', () => {
  it('V3: reaches everything, opens and closes a form, and comes back to where it was', async () => {
    await using watched = await signedIn()
    const { page } = watched
    await page.getByRole('button', { name: 'New secret' }).waitFor()
    const focused = (): Promise<string> =>
      page.evaluate('document.activeElement.ariaLabel ?? document.activeElement.innerText')
    await page.evaluate('document.body.focus(); getSelection().removeAllRanges()')
    await page.locator('.skip').focus()
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('content')
    await page.getByRole('button', { name: 'New secret' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    for (let at = 0; at < 30; at += 1) {
      await page.keyboard.press('Tab')
      expect(
        await page.evaluate(
          "document.activeElement === document.body || document.activeElement.closest('dialog') !== null",
        ),
      ).toBe(true)
    }
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(await focused()).toBe('New secret')
    await page.getByRole('link', { name: 'Builds' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'Builds' }).waitFor()
    expect(await focused()).toBe('Builds')
    expect(await page.title()).toBe('Builds · Traceless')
  })
})

describe('V3: every page', () => {
  it.for(['light', 'dark', 'phone'] as const)(
    'V3: %s: no axe finding, nothing beside the page',
    async (look) => {
      const [leaky] = (await served.store.builds.list({ max: 50 })).filter(({ state }) => state === 'refused')
      const routes: Readonly<Record<string, string>> = {
        secrets: '#/secrets',
        secret: '#/secrets/main/API_KEY',
        groups: '#/groups',
        builds: '#/builds',
        build: `#/builds/${leaky?.id ?? ''}`,
        'new-build': '#/builds/new',
        environments: '#/environments',
        tokens: '#/tokens',
        workers: '#/workers',
      }
      await using watched = await openPage(browser, served.url, look)
      const { page, wrong } = watched
      const found: string[] = []
      const check = async (name: string): Promise<void> => {
        await page.locator('[aria-busy=true]').first().waitFor({ state: 'detached' })
        await keepPicture(page, `${look}-${name}`)
        found.push(...(await inaccessible(page)).map((text) => `${name}: ${text}`))
        const isWide = await page.evaluate('document.documentElement.scrollWidth > innerWidth')
        if (isWide === true) found.push(`${name} is wider than the window`)
      }
      await page.getByLabel('Token').waitFor()
      await check('sign-in')
      await signIn(page, admin)
      for (const [name, route] of Object.entries(routes)) {
        await go(page, route)
        await check(name)
      }
      await go(page, '#/secrets')
      await page.getByRole('button', { name: 'New secret' }).click()
      await check('secret-form')
      expect(found).toEqual([])
      expect(wrong).toEqual([])
    },
  )
})
