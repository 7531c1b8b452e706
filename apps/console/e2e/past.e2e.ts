import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Archive, archive, FIRST, writeArchive } from './archive'
import { overflow, PHONE, shot, startBrowser, violations, type Window, within } from './browser'
import { type Pod, startPod } from './pod'

/** What was there before: undo, other moments, the history, and what takes how much room. */

const NEW = 'Written over what was imported.'

let browser: Browser
let pod: Pod
let folder: string
let made: Archive

beforeAll(async () => {
  made = archive()
  folder = mkdtempSync(join(tmpdir(), 'rhizome-archive-'))
  writeArchive(made, folder)
  ;[browser, pod] = await Promise.all([startBrowser(), startPod()])
  await pod.run(['import', folder, '--json'])
})

afterAll(async () => {
  await browser?.close()
  await pod?.stop()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

const inWindow = (path: string, work: (window: Window) => Promise<void>, options = {}) => within(browser, pod.page(path), work, options)

const post = (page: Page, text: string) => page.locator('article.post', { hasText: text })

async function edit(page: Page, from: string, to: string): Promise<string> {
  const mine = post(page, from)
  await mine.waitFor()
  const id = (await mine.getAttribute('data-post')) ?? ''
  await mine.hover()
  await mine.getByRole('button', { name: 'Edit' }).click()
  await page.getByLabel('Text of the post').fill(to)
  await page.keyboard.press('Control+Enter')
  await post(page, to).waitFor()
  return id
}

describe('undo', () => {
  it('is offered after an edit, and so is the way back', async () => {
    await inWindow('/', async ({ page }) => {
      await edit(page, FIRST, NEW)
      const messages = page.getByRole('status', { name: 'Messages' })
      await messages.getByText('Saved').waitFor()
      await shot(page, 'undo-offered')
      expect(await violations(page)).toEqual([])
      await messages.getByRole('button', { name: 'Undo' }).click()
      await post(page, FIRST).waitFor()
      await messages.getByText('Undone.').waitFor()
      // by keyboard, to have it again
      await page.keyboard.press('u')
      await post(page, NEW).waitFor()
      await messages.getByText('Done again.').waitFor()
      await messages.getByRole('button', { name: 'Undo' }).click()
      await post(page, FIRST).waitFor()
    })
  })

  it('leaves what was changed since, and says so', async () => {
    await inWindow('/', async ({ page }) => {
      const id = await edit(page, FIRST, 'One')
      await pod.run(['tx', '--json', '-'], JSON.stringify([{ assert: { entity: id, attribute: 'social/text', value: FIRST } }]))
      await post(page, FIRST).waitFor()
      const messages = page.getByRole('status', { name: 'Messages' })
      await messages.getByRole('button', { name: 'Undo' }).click()
      await messages.getByText('1 value was changed since and stays').waitFor()
      expect(await post(page, FIRST).count()).toBe(1)
    })
  })

  it('is in the history of an entity, and on the page of all commits', async () => {
    await inWindow('/', async ({ page }) => {
      const id = await edit(page, FIRST, NEW)
      await page.goto(pod.page(`/data/${id}`))
      await page.locator('.history summary').click()
      await shot(page, 'entity-history')
      expect(await violations(page)).toEqual([])
      await page.getByRole('button', { name: /^Undo what was written/ }).first().click()
      await page.getByRole('region', { name: 'Tuples' }).getByText(FIRST, { exact: true }).waitFor()
    })
    await inWindow('/history', async ({ page }) => {
      const commits = page.getByRole('list', { name: 'Commits' }).getByRole('listitem')
      await commits.first().getByText('console').waitFor()
      await shot(page, 'history')
      expect(await violations(page)).toEqual([])
      // the newest is the undo: to undo it is to have the edit again
      await commits.first().getByRole('button', { name: /^Undo/ }).click()
      await page.getByRole('status', { name: 'Messages' }).getByText('Undone.').waitFor()
    })
    expect(await pod.query(`[:find ?p :where [?p "social/text" "${NEW}"]]`)).toHaveLength(1)
    // on the command line as well: the newest thing that it wrote itself, and that by name
    const listed = JSON.parse(await pod.run(['log', '--json', '--limit', '1'])) as { commits: { commit: string }[] }
    await pod.run(['undo', '--json', listed.commits[0]?.commit ?? ''])
    expect(await pod.query(`[:find ?p :where [?p "social/text" "${NEW}"]]`)).toEqual([])
  })
})

describe('as of', () => {
  it('an entity shows what it said before', async () => {
    const [[id] = []] = await pod.query(`[:find ?p :where [?p "social/text" "${FIRST}"]]`)
    await pod.run(['tx', '--json', '-'], JSON.stringify([{ assert: { entity: id, attribute: 'social/text', value: NEW } }]))
    await inWindow(`/data/${String(id)}`, async ({ page }) => {
      await page.getByRole('region', { name: 'Tuples' }).getByText(NEW).waitFor()
      const slider = page.getByRole('slider', { name: 'As of' })
      await slider.focus()
      await page.keyboard.press('Home')
      const then = page.getByRole('region', { name: /^As it was/ })
      await then.getByText(FIRST, { exact: true }).waitFor()
      expect(await then.getByText(NEW).count()).toBe(0)
      await shot(page, 'entity-as-of')
      expect(await violations(page)).toEqual([])
      await page.getByRole('button', { name: 'Back to now' }).click()
      await page.getByRole('region', { name: 'Tuples' }).getByText(NEW).waitFor()
    })
  })

  it('the whole pod, back to before the import', async () => {
    await inWindow('/data', async ({ page }) => {
      await page.getByRole('link', { name: /^audience/ }).waitFor()
      const slider = page.getByRole('slider', { name: 'As of' })
      await slider.focus()
      await page.keyboard.press('Home')
      await page.getByRole('link', { name: /^audience/ }).waitFor({ state: 'detached' })
      await shot(page, 'data-as-of')
      expect(await violations(page)).toEqual([])
      await page.keyboard.press('End')
      await page.getByRole('link', { name: /^audience/ }).waitFor()
    })
  })
})

describe('storage and settings', () => {
  it('says what takes how much room', async () => {
    await inWindow('/storage', async ({ page }) => {
      const kinds = page.getByRole('list', { name: 'By kind' })
      await kinds.getByText('Pictures and videos').waitFor()
      expect(await kinds.innerText()).toContain(`${made.counts.media}`)
      await page.getByRole('list', { name: 'By what wrote it' }).getByText('mastodon import').waitFor()
      await page.getByRole('list', { name: 'Files by type' }).getByText('image/png').waitFor()
      await page.getByRole('img', { name: 'Bytes by month' }).waitFor()
      await shot(page, 'storage')
      expect(await violations(page)).toEqual([])
    })
  })

  it('names this device, and lists what was imported', async () => {
    await inWindow('/settings', async ({ page }) => {
      await page.getByLabel('Its name').fill('Kitchen laptop')
      await page.getByRole('button', { name: 'Save' }).click()
      await page.getByRole('status', { name: 'Messages' }).getByText('Saved').waitFor()
      await page.getByText('Mastodon archive').waitFor()
      await shot(page, 'settings')
      expect(await violations(page)).toEqual([])
      await page.getByRole('link', { name: 'Devices', exact: true }).click()
      await page.getByRole('heading', { name: 'Kitchen laptop' }).waitFor()
    })
  })

  it('draws a result', async () => {
    await inWindow('/query', async ({ page }) => {
      await page.getByRole('button', { name: 'Who can see how much' }).click()
      await page.getByRole('table').waitFor()
      await page.getByRole('button', { name: 'Chart' }).click()
      await page.getByRole('figure').getByRole('img').waitFor()
      await shot(page, 'query-chart')
      expect(await violations(page)).toEqual([])
    })
  })
})

describe('narrow and dark', () => {
  for (const path of ['/history', '/storage', '/settings', '/welcome', '/data']) {
    it(`${path} fits and is accessible`, async () => {
      await inWindow(
        path,
        async ({ page }) => {
          await page.locator('main h1').waitFor()
          await page.waitForTimeout(500)
          await shot(page, `past-phone${path.replace('/', '-')}`)
          expect(await overflow(page)).toBe(0)
          expect(await violations(page)).toEqual([])
        },
        { ...PHONE, colorScheme: 'dark' },
      )
    })
  }

  it('the bar of pages fits at every width', async () => {
    await inWindow('/', async ({ page }) => {
      for (const width of [720, 800, 1000, 1100, 1280]) {
        await page.setViewportSize({ width, height: 700 })
        expect(await overflow(page), String(width)).toBe(0)
        const bar = await page.locator('.top-inner').evaluate((element) => element.scrollWidth - element.clientWidth)
        expect(bar, String(width)).toBeLessThanOrEqual(0)
        await shot(page, `bar-${width}`)
      }
    })
  })
})
