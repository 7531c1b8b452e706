import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { overflow, shot, startBrowser, violations, type Window, within } from './browser'
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

const at = (text: string) => ({ time: Date.parse(text) })

beforeAll(async () => {
  ;[browser, pod] = await Promise.all([startBrowser(), startPod()])
  const changes = [
    ...said('ada', { 'contact/type': 'contact', 'contact/name': 'Ada Byron', 'contact/org': 'Analytical Engines', 'contact/email': ['ada@engines.example', 'ada@home.example'], 'contact/tel': '+44 20 7946 0000', 'contact/birthday': '1815-12-10' }),
    ...said('grace', { 'contact/type': 'contact', 'contact/name': 'Grace Hopper', 'contact/note': '<script>window.hacked = true</script>' }),
    ...said('standup', { 'calendar/type': 'event', 'calendar/title': 'Stand-up', 'calendar/start': at('2024-03-04T09:00:00+01:00'), 'calendar/end': at('2024-03-04T09:15:00+01:00'), 'calendar/rrule': 'FREQ=WEEKLY;BYDAY=MO;COUNT=3' }),
    ...said('holiday', { 'calendar/type': 'event', 'calendar/title': 'Allotment days', 'calendar/start': at('2024-03-15T00:00:00Z'), 'calendar/end': at('2024-03-18T00:00:00Z'), 'calendar/all-day': true, 'calendar/location': 'Plot 12' }),
    ...said('bread', { 'note/type': 'note', 'note/title': 'Bread', 'note/text': 'Flour, water, salt.\nThe starter is in the fridge.', 'note/tag': ['kitchen'] }),
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
      await look(page, 'notes')
      await page.getByRole('link', { name: 'Mail', exact: true }).click()
      await page.getByRole('link', { name: /^The key/ }).click()
      await page.getByText('Under the third pot.').waitFor()
      await page.getByRole('link', { name: /^No subject/ }).waitFor()
      await look(page, 'mail')
      expect(await page.evaluate(() => 'hacked' in window)).toBe(false)
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
