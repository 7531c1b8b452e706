import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AppKey, own, send, serveSample, type Site } from './app'
import { overflow, PHONE, shotWhole, startBrowser, violations } from './browser'
import { importPhotos } from './photos'
import { type Pod, startPod } from './pod'

/** A page of another origin asks a pod for photos and people: it is refused, gets a part, gets all, and loses it while it is open. */

const DESK = { viewport: { width: 1280, height: 860 } } as const
const TITLES = ['Garibaldi Lake', 'Black Tusk', 'Camp at dusk', 'Marmot', 'First snow', 'The way down']
const OTHERS = ['Tax office', 'The new flat']

let browser: Browser
let pod: Pod
let site: Site

beforeAll(async () => {
  ;[browser, pod, site] = await Promise.all([startBrowser(), startPod(), serveSample()])
  await importPhotos(pod, [...TITLES.map((title) => ({ title, album: 'garibaldi' })), ...OTHERS.map((title) => ({ title, album: 'papers' }))])
  await own(pod, '/tx', ['Ann', 'Bo'].flatMap((name) => [set(`_:${name}`, 'is-person', true), set(`_:${name}`, 'name', name)]))
})

afterAll(async () => {
  await browser?.close()
  await Promise.all([pod?.stop(), site?.stop()])
})

const set = (entity: string, attribute: string, value: unknown) => ({ assert: { entity, attribute, value } })

interface Visit {
  context: BrowserContext
  /** The console, open and unlocked. */
  console: Page
  /** The page of the other origin. */
  app: Page
  faults: string[]
}

/** One browser with two tabs: the console, and the page that asks. */
async function visit(work: (visit: Visit) => Promise<void>, options: BrowserContextOptions = DESK, path = '/apps'): Promise<void> {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options })
  context.setDefaultTimeout(15_000)
  const faults: string[] = []
  context.on('weberror', (error) => faults.push(error.error().message))
  context.on('console', (message) => {
    // what is refused on purpose is also told on the console
    if (message.type() === 'error' && !/status of (400|401|403)|CORS|net::ERR_FAILED|WebSocket connection/.test(message.text())) faults.push(message.text())
  })
  const [tab, app] = [await context.newPage(), await context.newPage()]
  try {
    await tab.goto(pod.page(path))
    await tab.getByRole('heading', { level: 1 }).waitFor()
    await app.goto(`${site.origin}/`)
    await work({ context, console: tab, app, faults })
    expect(faults).toEqual([])
  } finally {
    await context.close()
    for (const { id, revoked_ms } of (await grants()).apps) if (revoked_ms === null) await own(pod, '/apps/revoke', { id })
  }
}

async function connect(app: Page): Promise<void> {
  await app.getByLabel('The address of your pod').fill(pod.url)
  await app.getByRole('button', { name: 'Connect' }).click()
  await app.getByRole('heading', { name: 'An app asks for a part of your data' }).waitFor()
}

/** Allow waits a moment, so that no click which was meant for another page reaches it. */
const armed = (page: Page) => page.getByRole('button', { name: 'Allow', exact: true, disabled: false }).waitFor()
const allow = (page: Page) => page.getByRole('button', { name: 'Allow', exact: true })
const field = (app: Page, title: string) => app.getByLabel(`Caption of ${title}`)
const caption = async (title: string) => (await pod.query(`[:find ?c :where [?p "photo-title" "${title}"] [?p "caption" ?c]]`)).flat()
const idOf = async (title: string) => String((await pod.query(`[:find ?p :where [?p "photo-title" "${title}"]]`))[0]?.[0])
const grants = () => own<{ apps: { id: string; name: string; revoked_ms: number | null; scopes: unknown[] }[] }>(pod, '/apps')

describe('a tab without the token', () => {
  it('borrows it from an open console and stays where it was; without one it asks', async () => {
    await visit(async ({ context, console: tab }) => {
      const second = await context.newPage()
      await second.goto(`${pod.url}/sharing?from=a-link`)
      await second.getByRole('heading', { name: 'Sharing' }).waitFor()
      expect(new URL(second.url()).search).toBe('?from=a-link')
      await second.close()
      await tab.close()
      const third = await context.newPage()
      await third.goto(`${pod.url}/authorize`)
      await third.getByLabel('Address or token').waitFor()
      // goes on by itself once there is one
      const fourth = await context.newPage()
      await fourth.goto(pod.page('/apps'))
      await fourth.getByText('No app sees anything of yours.').waitFor()
      await third.bringToFront()
      await third.getByRole('heading', { name: 'A program shows you a code?' }).waitFor()
      expect(await violations(third)).toEqual([])
    })
  })
})

describe('a page of another origin', () => {
  it('is refused', async () => {
    await visit(async ({ app, console: tab }) => {
      await connect(app)
      await app.getByText('http://localhost').first().waitFor()
      expect(await app.locator('.asker-origin').innerText()).toBe(site.origin)
      await app.getByText('8 entities now').waitFor()
      await app.getByText('and 3 more').waitFor()
      await app.waitForFunction(() => [...document.querySelectorAll<HTMLImageElement>('.sample-picture')].filter((each) => each.naturalWidth > 0).length === 5)
      expect(await app.getByRole('navigation').count()).toBe(0)
      expect(await overflow(app)).toBe(0)
      expect(await violations(app)).toEqual([])
      await armed(app)
      await shotWhole(app, 'consent')
      await app.getByRole('button', { name: 'Refuse' }).click()
      await app.getByText('You refused.').waitFor()
      expect(app.url()).toBe(`${site.origin}/`)
      await tab.bringToFront()
      await tab.getByText('No app sees anything of yours.').waitFor()
      expect((await grants()).apps).toEqual([])
    })
  })

  it('cannot ask in another way than it is written', async () => {
    await visit(async ({ app }) => {
      await app.goto(`${pod.url}/authorize?client_id=did:key:z6Mk&name=x&redirect_uri=javascript:alert(1)&state=s&scope=[]`)
      await app.getByRole('heading', { name: 'This cannot be asked' }).waitFor()
      await app.getByText('Nothing was given.').waitFor()
      expect(await app.getByRole('button').count()).toBe(0)
      expect(await violations(app)).toEqual([])
      await shotWhole(app, 'consent-wrong')
    })
  })

  it('asks for two things, and gets an album of one: on a phone, in the dark', async () => {
    await visit(
      async ({ app, console: tab }) => {
        await connect(app)
        const [photos, people] = [app.locator('.scope').nth(0), app.locator('.scope').nth(1)]
        await people.getByRole('radio', { name: /Nothing of this/ }).check()
        await photos.getByRole('radio', { name: /See and suggest/ }).check()
        await photos.getByLabel('Only those that also').fill('photo-album: garibalbi')
        await photos.getByText('Nothing now').waitFor()
        await photos.getByLabel('Only those that also').fill('photo-album: garibaldi || (photo-album: papers && photo-title: Marmot)')
        await photos.getByText('6 entities now of the 8 that it asks for').waitFor()
        await app.getByLabel('For how long').selectOption('a week')
        await app.getByText('it may see and suggest 6 entities.').waitFor()
        expect(await overflow(app)).toBe(0)
        expect(await violations(app)).toEqual([])
        await shotWhole(app, 'consent-narrowed-dark-phone')
        await allow(app).click()
        await app.getByText('Connected with').waitFor()
        await app.getByText('6 photos').waitFor()
        expect(await app.locator('#got').innerText()).toMatch(/is-photo: true \(write\): less: .*garibaldi.* \(propose\)\n.*is-person: true \(read\): refused/s)
        expect(await app.getByText(/Tax office|The new flat/).count()).toBe(0)
        await app.getByText('The way down').scrollIntoViewIfNeeded()
        await app.waitForFunction(() => [...document.querySelectorAll('img')].filter((each) => each.naturalWidth === 160).length === 6)
        expect(await app.locator('#names option').count()).toBe(0)
        await field(app, 'Marmot').fill('our cook')
        await app.getByText('Suggested').waitFor()
        await shotWhole(app, 'sample-narrowed-dark-phone')
        expect(await caption('Marmot')).toEqual([])
        await tab.goto(`${pod.url}/sharing`)
        await tab.locator('[data-proposal] ins', { hasText: 'our cook' }).waitFor()
        await tab.getByRole('button', { name: 'Adopt', exact: true }).click()
        await tab.getByText('None are open.').waitFor()
        // and what the owner adopted is there too
        await app.waitForFunction(() => document.querySelector<HTMLInputElement>('[aria-label="Caption of Marmot"]')?.value === 'our cook')
        await app.getByRole('button', { name: 'Disconnect' }).click()
        await app.getByText('You disconnected.').waitFor()
        await tab.goto(`${pod.url}/apps`)
        await tab.getByText('No app sees anything of yours.').waitFor()
        await tab.getByText('Taken back or over').click()
        await tab.getByText(site.origin).waitFor()
        expect(await overflow(tab)).toBe(0)
        expect(await violations(tab)).toEqual([])
        await shotWhole(tab, 'apps-ended-dark-phone')
      },
      { ...PHONE, colorScheme: 'dark' },
    )
  })

  it('gets all it asks for, and both sides see at once what the other writes, until it is taken back while it is open', async () => {
    await visit(async ({ app, console: tab }) => {
      await connect(app)
      // a click that was meant for the page before
      expect(await allow(app).isDisabled()).toBe(true)
      await allow(app).click()
      await app.getByText('8 photos').waitFor()
      expect(await app.locator('#got').innerText()).toMatch(/is-photo: true \(write\): given\nis-person: true \(read\): given/)
      await app.waitForFunction(() => document.querySelectorAll('#names option').length === 2)

      await field(app, 'Black Tusk').fill('the tooth of the thunderbird')
      await app.getByText('Saved').waitFor()
      expect(await caption('Black Tusk')).toEqual(['the tooth of the thunderbird'])
      await tab.goto(`${pod.url}/data/${await idOf('Black Tusk')}`)
      await tab.getByText('the tooth of the thunderbird').first().waitFor()
      await own(pod, '/tx', [set(await idOf('Camp at dusk'), 'caption', 'mosquitoes')])
      await app.waitForFunction(() => document.querySelector<HTMLInputElement>('[aria-label="Caption of Camp at dusk"]')?.value === 'mosquitoes')
      // what comes to match comes, what no longer does goes
      await own(pod, '/tx', [set('_:n', 'is-photo', true), set('_:n', 'photo-title', 'Late one')])
      await app.getByText('Late one').waitFor()
      await own(pod, '/tx', [set(await idOf('Tax office'), 'is-photo', false)])
      await app.getByText('Tax office').waitFor({ state: 'detached' })
      // still there after a reload, in this tab
      await app.reload()
      await app.getByText('8 photos').waitFor()
      await shotWhole(app, 'sample')

      await tab.goto(`${pod.url}/apps`)
      const card = tab.locator('[data-app]', { hasText: 'Online' })
      await card.getByText(site.origin).waitFor()
      await card.getByText('What it did').click()
      await card.getByText('wrote once').waitFor()
      expect(await violations(tab)).toEqual([])
      await shotWhole(tab, 'apps')
      for (const width of [720, 900, 1079, 360]) {
        await tab.setViewportSize({ width, height: 800 })
        expect([width, await overflow(tab)]).toEqual([width, 0])
      }
      await tab.setViewportSize(DESK.viewport)
      const token = await app.evaluate(() => (JSON.parse(sessionStorage.getItem('rhizome.session') ?? '{}') as { access_token: string }).access_token)
      const asApp = { authorization: `Bearer ${token}`, origin: site.origin }
      expect((await send(pod, 'GET', '/api/1/status', asApp)).status).toBe(200)
      await card.getByRole('button', { name: /Take back/ }).click()
      await tab.getByText('No app sees anything of yours.').waitFor()
      await app.getByText('You took back what this page may do').waitFor()
      expect(await app.getByText('Black Tusk').count()).toBe(0)
      expect(await app.evaluate(() => sessionStorage.getItem('rhizome.session'))).toBe(null)
      for (const headers of [asApp, { authorization: `Bearer ${token}` }]) {
        const answer = await send(pod, 'GET', '/api/1/status', headers)
        expect(answer.status).toBeGreaterThanOrEqual(401)
        expect(answer.text).not.toMatch(/entities/)
      }
    })
  })

  it('is known again when it asks again', async () => {
    await visit(
      async ({ app }) => {
        await connect(app)
        await armed(app)
        await shotWhole(app, 'consent-phone')
        await allow(app).click()
        await app.getByText('8 photos').waitFor()
        await app.evaluate(() => sessionStorage.clear())
        await app.reload()
        await connect(app)
        await app.getByText('You allowed this app something before. That ends with what you allow now.').waitFor()
      },
      { ...PHONE },
    )
    await visit(
      async ({ app, console: tab }) => {
        await connect(app)
        await armed(app)
        await shotWhole(app, 'consent-dark')
        await allow(app).click()
        await app.getByText('8 photos').waitFor()
        await tab.bringToFront()
        await tab.getByRole('button', { name: /Take back/ }).waitFor()
        await shotWhole(tab, 'apps-dark')
        await tab.getByRole('button', { name: /Take back/ }).click()
        await tab.getByText('No app sees anything of yours.').waitFor()
      },
      { ...DESK, colorScheme: 'dark' },
    )
  })
})

describe('a program without a browser', () => {
  it('shows a code, which a person compares', async () => {
    const key = new AppKey()
    const asked = await send(pod, 'POST', '/api/1/apps/device', {}, JSON.stringify({ client_id: key.id, name: 'lister', scope: [{ where: 'is-photo: true', can: 'read', why: 'a list' }] }))
    const { device_code, user_code, verification_uri, interval } = JSON.parse(asked.text) as Record<string, string> & { interval: number }
    expect(verification_uri).toBe(`${pod.url}/authorize?user_code=${user_code}`)
    const poll = async () => {
      const body = { grant_type: 'device_code', device_code, client_id: key.id, proof: key.proof(device_code ?? '') }
      const answer = await send(pod, 'POST', '/api/1/apps/token', {}, JSON.stringify(body))
      return JSON.parse(answer.text) as { access_token?: string; error?: { code: string } }
    }
    expect((await poll()).error?.code).toBe('authorization_pending')
    expect((await poll()).error?.code).toBe('slow_down')
    await visit(async ({ console: tab }) => {
      const card = tab.locator(`[data-waiting="${user_code}"]`)
      await card.waitFor()
      await shotWhole(tab, 'apps-waiting')
      expect(await violations(tab)).toEqual([])
      await tab.getByRole('link', { name: 'Type a code' }).click()
      await tab.getByLabel('The code').fill((user_code ?? '').toLowerCase().replace('-', ' '))
      await shotWhole(tab, 'consent-type')
      await tab.getByRole('button', { name: 'Look what it asks' }).click()
      await tab.getByText('A program on this machine').waitFor()
      expect(await tab.locator('.user-code').innerText()).toBe(user_code)
      expect(await violations(tab)).toEqual([])
      await shotWhole(tab, 'consent-code')
      await allow(tab).click()
      await tab.getByText('You may close this page.').waitFor()
    })
    await new Promise((resolve) => setTimeout(resolve, interval * 1_000))
    const { access_token } = await poll()
    const status = await send(pod, 'GET', '/api/1/status', { authorization: `Bearer ${access_token}` })
    expect((JSON.parse(status.text) as { entities: number }).entities).toBe(8)
  })
})
