import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { overflow, PHONE, shot, startBrowser, violations, type Window, within } from './browser'
import { type Pod, startPod } from './pod'

let browser: Browser
let pod: Pod

const set = (entity: string, attribute: string, value: unknown) => ({ assert: { entity, attribute, value } })
const post = (name: string, text: string, type = 'post') => [
  set(name, 'social/type', type),
  set(name, 'social/text', text),
  set(name, 'social/audience', 'public'),
  set(name, 'social/created', { time: 1_700_000_000_000 }),
]

beforeAll(async () => {
  ;[browser, pod] = await Promise.all([startBrowser(), startPod()])
  const changes = [
    ...post('_:a', 'Two espressos at the Café Central, and <b>no</b> sugar'),
    ...post('_:b', 'No espresso today: the café is shut', 'reply'),
    ...post('_:c', 'Bread came out flat again'),
  ]
  await pod.run(['tx', '-'], JSON.stringify(changes))
})

afterAll(async () => {
  await browser?.close()
  await pod?.stop()
})

const inWindow = (path: string, work: (window: Window) => Promise<void>, options = {}) => within(browser, pod.page(path), work, options)

const hits = (page: Page) => page.locator('.search-hit')

describe('the search', () => {
  it('begins with a key, finds while one types, and leads to what it found', async () => {
    await inWindow('/', async ({ page }) => {
      await page.locator('nav.pages').waitFor()
      await page.keyboard.press('/')
      const field = page.getByRole('searchbox', { name: 'What to look for' })
      await field.waitFor()
      await page.waitForFunction(() => document.activeElement?.id === 'search-field')
      await page.keyboard.type('cafe espr')
      await page.getByText('2 found').waitFor()
      expect(await page.locator('.search-hit mark').allTextContents()).toContain('Café')
      // what was written is text, whatever it looks like
      expect(await hits(page).locator('b', { hasText: 'no' }).count()).toBe(0)
      expect(await violations(page)).toEqual([])
      await page.getByRole('button', { name: 'replies' }).click()
      await page.getByText('1 found').waitFor()
      expect(new URL(page.url()).search).toBe('?q=cafe+espr&type=reply')
      await shot(page, 'search')
      await hits(page).first().click()
      await page.getByText('the café is shut').first().waitFor()
      await page.goBack()
      await page.getByText('1 found').waitFor()
    })
  })

  it('says when there is nothing, and what is wrong', async () => {
    await inWindow('/search', async ({ page }) => {
      const field = page.getByRole('searchbox')
      await field.fill('nowhere')
      await page.getByText('Nothing found').waitFor()
      await field.fill('a OR -b')
      await page.getByRole('alert').waitFor()
      await field.fill('"no espresso"')
      await page.getByText('1 found').waitFor()
      expect(await page.getByRole('alert').count()).toBe(0)
    })
  })

  it('finds what is written meanwhile without being asked again', async () => {
    await inWindow('/search?q=kingfisher', async ({ page }) => {
      await page.getByText('Nothing found').waitFor()
      await pod.run(['tx', '-'], JSON.stringify(post('_:d', 'A kingfisher below the bridge')))
      await page.getByText('1 found').waitFor()
    })
  })

  it('leaves the reader where he is when something is written', async () => {
    await inWindow('/search?q=espresso', async ({ page }) => {
      await page.getByText('2 found').waitFor()
      const before = await hits(page).allInnerTexts()
      await hits(page).last().focus()
      await pod.run(['tx', '-'], JSON.stringify(post('_:e', 'Espresso, espresso, espresso')))
      await page.getByText('3 found').waitFor()
      const after = await hits(page).allInnerTexts()
      expect(after.slice(0, 2)).toEqual(before)
      expect(await page.evaluate(() => document.activeElement?.textContent)).toContain(before[1]?.split('\n').at(-1))
      // who asks anew gets the best first
      await page.getByRole('searchbox').fill('espressos')
      await page.getByRole('searchbox').fill('espresso')
      await page.waitForFunction(() => document.querySelector('.search-hit')?.textContent?.includes('Espresso, espresso'))
    })
  })

  it('fits a phone and a narrow window', async () => {
    for (const options of [PHONE, { viewport: { width: 720, height: 800 } }]) {
      await inWindow(
        '/search?q=espresso',
        async ({ page }) => {
          await hits(page).first().waitFor()
          expect(await overflow(page)).toBe(0)
          await page.getByRole('link', { name: 'Search' }).waitFor()
          await shot(page, `search-${options.viewport.width}`)
        },
        options,
      )
    }
  })
})
