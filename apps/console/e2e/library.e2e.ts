import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { overflow, shot, startBrowser, violations, type Window, within } from './browser'
import { picture } from './picture'
import { type Pod, startPod } from './pod'

/** Calendar, contacts, notes and mail, as the public schemas say them. */

const LOOKS = [
  ['desktop', { width: 1280, height: 860 }, 'light'],
  ['phone', { width: 390, height: 844 }, 'dark'],
] as const

let browser: Browser
let pod: Pod

type Said = Record<string, unknown>

function said(name: string, attributes: Said): object[] {
  return Object.entries(attributes).flatMap(([attribute, value]) =>
    (Array.isArray(value) ? value : [value]).map((each: unknown) => ({ assert: { entity: `_:${name}`, attribute, value: each } })),
  )
}

/** Takes a file in. */
async function upload(bytes: Buffer): Promise<string> {
  const answer = await fetch(`${pod.url}/api/1/blob`, { method: 'POST', headers: { authorization: `Bearer ${pod.token}` }, body: new Uint8Array(bytes) })
  return ((await answer.json()) as { blob: string }).blob
}

const at = (text: string) => ({ time: Date.parse(text) })

beforeAll(async () => {
  ;[browser, pod] = await Promise.all([startBrowser(), startPod()])
  const loaf = await upload(picture(3, 64, 48))
  const changes = [
    ...said('ada', { 'contact/type': 'contact', 'contact/name': 'Ada Byron', 'contact/org': 'Analytical Engines', 'contact/email': ['ada@engines.example', 'ada@home.example'], 'contact/tel': '+44 20 7946 0000', 'contact/birthday': '1815-12-10' }),
    ...said('grace', { 'contact/type': 'contact', 'contact/name': 'Grace Hopper', 'contact/note': '<script>window.hacked = true</script>' }),
    ...said('standup', { 'calendar/type': 'event', 'calendar/title': 'Stand-up', 'calendar/start': at('2024-03-04T09:00:00+01:00'), 'calendar/end': at('2024-03-04T09:15:00+01:00'), 'calendar/rrule': 'FREQ=WEEKLY;BYDAY=MO;COUNT=3' }),
    ...said('holiday', { 'calendar/type': 'event', 'calendar/title': 'Allotment days', 'calendar/start': at('2024-03-15T00:00:00Z'), 'calendar/end': at('2024-03-18T00:00:00Z'), 'calendar/all-day': true, 'calendar/location': 'Plot 12' }),
    ...said('bread', { 'note/type': 'note', 'note/title': 'Bread', 'note/text': 'Flour, water, salt.\nThe starter is in the fridge.', 'note/tag': ['kitchen'], 'note/file': [{ ref: '_:picture' }, { ref: '_:recipe' }] }),
    ...said('outline', { 'note/type': 'note', 'note/title': 'Folding', 'note/child': { ref: '_:line' } }),
    ...said('picture', { 'note/type': 'note-file', 'note/name': 'loaf.png', 'note/mime': 'image/png', 'note/blob': { blob: loaf } }),
    ...said('recipe', { 'note/type': 'note-file', 'note/name': 'recipe.bin', 'note/mime': 'application/octet-stream', 'note/bytes': 2048, 'note/blob': { blob: loaf } }),
    ...said('line', { 'note/type': 'block', 'note/text': 'Fold it twice' }),
    ...said('nameless', { 'note/type': 'note', 'note/text': 'Buy a scale\nand a tin' }),
    ...said('photo', { 'social/type': 'media', 'is-photo': true, 'social/mime': 'image/png', 'social/blob': { blob: loaf }, 'social/alt': 'The loaf', 'social/created': at('2023-05-06T10:00:00Z') }),
    ...said('undated', { 'social/type': 'media', 'is-photo': true, 'social/mime': 'image/png', 'social/blob': { blob: loaf } }),
    ...said('torn', { 'social/type': 'media', 'is-photo': true, 'social/alt': 'Torn', 'social/blob': { blob: await upload(Buffer.from('no picture')) } }),
    ...said('talk', { 'message/type': 'conversation', 'message/participant': ['Ada', 'Bo'] }),
    ...said('old-talk', { 'message/type': 'conversation', 'message/title': 'Allotment' }),
    ...Array.from({ length: 130 }, (_, n) =>
      said(`said${n}`, { 'message/type': 'message', 'message/conversation': { ref: '_:talk' }, 'message/sender': n % 3 === 0 ? 'Ada' : 'Bo', 'message/text': `word ${n}`, 'message/sent': { time: Date.parse('2024-02-01T10:00:00Z') + n * 60_000 } }),
    ).flat(),
    ...said('old', { 'message/type': 'message', 'message/conversation': { ref: '_:old-talk' }, 'message/notice': true, 'message/text': 'Heron joined', 'message/sent': at('2020-02-01T10:00:00Z') }),
    ...said('silent', { 'mail/type': 'mail', 'mail/text': 'No words above.', 'mail/sent': at('2024-03-01T10:00:00Z') }),
    ...said('mail', { 'mail/type': 'mail', 'mail/subject': 'The key', 'mail/from': 'Heron <heron@other.example>', 'mail/sent': at('2024-03-05T10:00:00Z'), 'mail/html': '<p>Under the <b>third</b> pot.</p><img src="https://tracker.example/x.png">' }),
  ]
  await pod.run(['tx', '--json', '-'], JSON.stringify(changes))
})

afterAll(async () => {
  await browser?.close()
  await pod?.stop()
})

const inWindow = (path: string, work: (window: Window) => Promise<void>, options = {}) => within(browser, pod.page(path), work, options)

async function look(page: Page, name: string): Promise<void> {
  for (const [suffix, size, colorScheme] of LOOKS) {
    await page.setViewportSize(size)
    await page.emulateMedia({ colorScheme })
    await page.waitForTimeout(200)
    await shot(page, `library-${name}-${suffix}`)
    expect(await overflow(page), `${name} ${suffix}`).toBe(0)
    expect(await violations(page), `${name} ${suffix}`).toEqual([])
  }
  await page.setViewportSize(LOOKS[0][1])
}

describe('the library', () => {
  it('opens the calendar at the month of the newest event, with what repeats', async () => {
    await inWindow('/library', async ({ page }) => {
      await page.getByRole('heading', { name: 'March 2024' }).waitFor()
      const agenda = page.getByRole('region', { name: 'Events of the month' })
      await agenda.getByText('Stand-up').nth(2).waitFor()
      expect(await agenda.getByText('Stand-up').count()).toBe(3)
      expect(await agenda.getByText('3 days').count()).toBe(1)
      const grid = page.getByRole('table')
      expect(await grid.getByRole('link', { name: 'Allotment days' }).count()).toBe(3)
      await look(page, 'calendar')
      await page.getByRole('button', { name: 'Month after' }).click()
      await page.getByRole('heading', { name: 'April 2024' }).waitFor()
      await page.getByText('Nothing in this month.').waitFor()
    })
  })

  it('lists contacts, finds one, and shows a card', async () => {
    await inWindow('/library/contacts', async ({ page }) => {
      const list = page.getByRole('region', { name: 'Contacts' })
      await list.getByText('Grace Hopper').waitFor()
      await list.getByLabel('Filter contacts').fill('ada')
      await list.getByText('Grace Hopper').waitFor({ state: 'detached' })
      await list.getByRole('link', { name: 'Ada Byron' }).click()
      const card = page.getByRole('region', { name: 'Contact', exact: true })
      await card.getByText('ada@home.example').waitFor()
      await card.getByText('1815-12-10').waitFor()
      await look(page, 'contacts')
    })
  })

  it('shows notes and mail as plain text, and asks nobody for pictures', async () => {
    await inWindow('/library/notes', async ({ page }) => {
      await page.getByRole('link', { name: 'Bread' }).click()
      await page.getByText('The starter is in the fridge.').waitFor()
      await page.waitForFunction(() => (document.querySelector<HTMLImageElement>('.attached img')?.naturalWidth ?? 0) > 0)
      const file = page.getByRole('link', { name: 'recipe.bin' })
      expect(await file.getAttribute('download')).toBe('recipe.bin')
      await look(page, 'notes')
      await page.getByRole('link', { name: 'Folding' }).click()
      await page.getByText('Fold it twice').waitFor()
      await page.getByRole('link', { name: 'Mail', exact: true }).click()
      await page.getByRole('link', { name: /^The key/ }).click()
      await page.getByText('Under the third pot.').waitFor()
      await page.getByRole('link', { name: /^No subject/ }).waitFor()
      await look(page, 'mail')
      expect(await page.evaluate(() => 'hacked' in window)).toBe(false)
    })
  })

  it('calls a note without a title by what it begins with', async () => {
    await inWindow('/library/notes', async ({ page }) => {
      await page.getByRole('link', { name: 'Buy a scale', exact: true }).waitFor()
    })
  })

  it('shows photos by month, and large', async () => {
    await inWindow('/library/photos', async ({ page }) => {
      const month = page.getByRole('region', { name: 'May 2023' })
      await month.getByRole('button', { name: 'The loaf' }).waitFor()
      await page.getByRole('region', { name: 'Without a time' }).getByRole('button', { name: 'Picture' }).waitFor()
      await page.waitForFunction(() => [...document.querySelectorAll<HTMLImageElement>('.photo-grid img')].filter((each) => each.naturalWidth > 0).length === 2)
      // what is no picture is called by its name
      await page.locator('.photo-grid span', { hasText: 'Torn' }).waitFor()
      await look(page, 'photos')
      await month.getByRole('button', { name: 'The loaf' }).click()
      await page.getByRole('dialog', { name: 'Media 1 of 3' }).waitFor()
      await page.keyboard.press('Escape')
      expect(await page.evaluate(() => document.activeElement?.querySelector('img')?.alt)).toBe('The loaf')
    })
  })

  it('shows conversations, the newest first, from their end', async () => {
    await inWindow('/library/messages', async ({ page }) => {
      const list = page.getByRole('region', { name: 'Conversations' }).getByRole('link')
      await list.nth(1).getByText('Allotment').waitFor()
      await list.filter({ hasText: 'Ada, Bo' }).click()
      const talk = page.getByRole('region', { name: 'Conversation', exact: true })
      await talk.getByText('word 129').waitFor()
      await page.waitForFunction(() => window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 60)
      expect(await talk.getByText('word 29', { exact: true }).count()).toBe(0)
      await talk.getByRole('button', { name: 'Earlier messages' }).click()
      await talk.getByText('word 0', { exact: true }).waitFor()
      expect(await talk.getByRole('listitem').first().innerText()).toMatch(/1 February 2024[\s\S]*Ada[\s\S]*word 0/)
      await look(page, 'messages')
    })
  })

  it('opens at what there is', async () => {
    await inWindow('/library', async ({ page }) => {
      await page.waitForURL('**/library/calendar*')
    })
  })

  it('moves when something is written', async () => {
    await inWindow('/library/contacts', async ({ page }) => {
      await page.getByText('Ada Byron').waitFor()
      await pod.run(['tx', '--json', '-'], JSON.stringify(said('new', { 'contact/type': 'contact', 'contact/name': 'Mary Somerville' })))
      await page.getByRole('link', { name: 'Mary Somerville' }).waitFor()
    })
  })
})
