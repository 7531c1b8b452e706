import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { archive, FIRST } from './archive'
import { drop, openWindow, startBrowser, type Window, look as lookAt } from './browser'
import { bluesky, FROM_BLUESKY, FROM_TWITTER, twitter } from './others'
import { type Pod, startPod } from './pod'
import { zip } from './zip'

/** A person who never saw a terminal: from an empty folder to a timeline, then an edit, undo, another moment, and the way out. One page, one story. */

let browser: Browser
let pod: Pod
let window: Window
let folder: string
const made = archive()

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rhizome-newcomer-'))
  ;[browser, pod] = await Promise.all([startBrowser(), startPod(null)])
  window = await openWindow(browser, pod.page(), { acceptDownloads: true })
})

afterAll(async () => {
  await window?.close()
  await browser?.close()
  await pod?.stop()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

const look = (page: Page, name: string) => lookAt(page, `newcomer-${name}`)
const post = (page: Page, text: string) => page.locator('article.post', { hasText: text })

describe('a newcomer', () => {
  it('is welcomed, names the device and writes the words down', async () => {
    const { page } = window
    await page.getByRole('heading', { name: 'Welcome to your pod' }).waitFor()
    await look(page, '1-welcome')
    await page.getByLabel('Name of this device').fill('Kitchen laptop')
    await page.getByRole('button', { name: 'Go on' }).click()

    await page.getByRole('heading', { name: 'Your way back in' }).waitFor()
    await page.getByRole('button', { name: 'Show the words' }).click()
    await page.locator('.words li').nth(23).waitFor()
    const words = await page.locator('.words li').allInnerTexts()
    expect(words).toHaveLength(24)
    await look(page, '2-words')
    await page.getByRole('button', { name: 'I have written them down' }).click()
    for (const field of await page.locator('.recovery .field').all()) {
      const position = Number.parseInt(await field.innerText(), 10)
      await field.getByRole('textbox').fill(words[position - 1] ?? '')
    }
    await page.getByRole('button', { name: 'Confirm' }).click()
    await page.getByRole('button', { name: 'Go on' }).click()
    await page.getByRole('heading', { name: 'Bring your life' }).waitFor()
    expect(await page.getByRole('button', { name: 'Not backed up' }).count()).toBe(0)
    await look(page, '3-import')
  })

  it('drops three exports on the page and has one timeline', async () => {
    const { page } = window
    const exports = [
      ['archive-20240102.zip', zip(made.files), /Mastodon/],
      ['repo.car', bluesky(), /Bluesky/],
      ['twitter-2023.zip', zip(twitter()), /Twitter/],
    ] as const
    for (const [n, [name, bytes, what]] of exports.entries()) {
      if (n > 0) await page.getByRole('button', { name: 'Import another' }).click()
      await drop(page, name, bytes)
      const report = page.getByRole('region', { name: 'What is in it' })
      await report.waitFor()
      expect(await report.innerText()).toMatch(what)
      if (n === 0) await look(page, '4-report')
      await report.getByRole('button', { name: 'Import' }).click()
      await page.getByRole('region', { name: 'What was imported' }).getByRole('link', { name: 'To the timeline' }).waitFor()
    }
    await page.getByRole('region', { name: 'What was imported' }).getByRole('link', { name: 'To the timeline' }).click()
    for (const text of [FROM_BLUESKY, FROM_TWITTER, FIRST]) await post(page, text).waitFor()
    await look(page, '5-timeline')
  })

  it('finds a word of any of them', async () => {
    const { page } = window
    await page.keyboard.press('/')
    await page.getByRole('searchbox', { name: 'What to look for' }).waitFor()
    await page.keyboard.type('heron')
    const hit = page.locator('.search-hit', { hasText: FROM_BLUESKY.slice(0, 20) })
    await hit.waitFor()
    await look(page, '5b-search')
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Timeline', exact: true }).click()
    await post(page, FIRST).waitFor()
  })

  it('edits a post and takes that back', async () => {
    const { page } = window
    const mine = post(page, FIRST)
    await mine.hover()
    await mine.getByRole('button', { name: 'Edit' }).click()
    await page.getByLabel('Text of the post').fill('Better words.')
    await page.keyboard.press('Control+Enter')
    await post(page, 'Better words.').waitFor()
    const messages = page.getByRole('status', { name: 'Messages' })
    await look(page, '6-undo')
    await messages.getByRole('button', { name: 'Undo' }).click()
    await post(page, FIRST).waitFor()
    await messages.getByRole('button', { name: 'Redo' }).click()
    await post(page, 'Better words.').waitFor()
  })

  it('looks at what it was before', async () => {
    const { page } = window
    const mine = post(page, 'Better words.')
    await mine.hover()
    await mine.getByRole('link', { name: 'Details' }).click()
    await page.getByRole('region', { name: 'Tuples' }).waitFor()
    const slider = page.getByRole('slider', { name: 'As of' })
    await slider.focus()
    await page.keyboard.press('Home')
    await page.getByRole('region', { name: /^As it was/ }).getByText(FIRST, { exact: true }).waitFor()
    await look(page, '7-as-of')
  })

  it('finds its way around, without a fault on any page', async () => {
    const { page } = window
    const pages = page.getByRole('navigation', { name: 'Pages' })
    for (const name of ['Library', 'Following', 'Data', 'Import', 'Sharing', 'Timeline']) {
      await pages.getByRole('link', { name, exact: true }).click()
      await page.locator('main h1').first().waitFor({ state: 'attached' })
      await page.waitForTimeout(300)
      await look(page, `8-${name.toLowerCase()}`)
    }
  })

  it('makes a backup', async () => {
    const { page } = window
    await page.getByRole('link', { name: 'Settings', exact: true }).click()
    const section = page.getByRole('region', { name: 'Backup' })
    await section.getByLabel('Folder on this machine').fill(join(folder, 'backup'))
    await section.getByLabel('By itself').selectOption('Every day')
    await section.getByRole('button', { name: 'Back up now' }).click()
    await section.getByText(/The last one/).waitFor()
    expect(await section.innerText()).not.toMatch(/missing/)
  })

  it('leaves with everything', async () => {
    const { page } = window
    await page.getByRole('heading', { name: 'Take everything with you' }).waitFor()
    await look(page, '9-settings')
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'JSON lines' }).click()])
    const file = join(folder, 'pod.jsonl')
    await download.saveAs(file)
    const lines = readFileSync(file, 'utf8').trim().split('\n')
    expect(lines.some((line) => line.includes('Better words.'))).toBe(true)
    expect(JSON.parse(lines.at(-1) ?? '{}')).toMatchObject({ rhizome: 'end' })
    expect(window.faults).toEqual([])
  })
})
