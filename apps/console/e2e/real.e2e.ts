import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drop, look, openWindow, startBrowser, type Window } from './browser'
import { type Pod, startPod } from './pod'
import { zip } from './zip'

/** As the newcomer's first hour, with exports that platforms really gave to people, where they lie beside the project. They are in no repository. */

const EXPORTS = join(import.meta.dirname, '../../../../shared/exports')

/** What a folder holds, as the archive that a platform sends. */
function packed(name: string): Buffer {
  const root = join(EXPORTS, name)
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return zip(new Map(files.map((file) => join(file.parentPath, file.name)).map((path) => [relative(root, path), readFileSync(path)])))
}

describe.skipIf(!existsSync(EXPORTS))('three real exports', () => {
  let browser: Browser
  let pod: Pod
  let window: Window

  beforeAll(async () => {
    ;[browser, pod] = await Promise.all([startBrowser(), startPod()])
    window = await openWindow(browser, pod.page('/import'))
  })

  afterAll(async () => {
    await window?.close()
    await browser?.close()
    await pod?.stop()
  })

  const rounds = [
    ['mastodon-archive', /Mastodon/, 204],
    ['bluesky-car', /Bluesky/, 3],
    ['synthetic-twitter-2022', /Twitter/, 6],
  ] as const

  it('are dropped one after the other, and again', async () => {
    const { page } = window
    const report = page.getByRole('region', { name: 'What is in it' })
    const imported = page.getByRole('region', { name: 'What was imported' })
    for (const again of [false, true]) {
      for (const [name, what] of rounds) {
        const more = page.getByRole('button', { name: 'Import another' })
        if ((await more.count()) > 0) await more.click()
        await drop(page, `${name}.zip`, packed(name))
        await report.waitFor()
        expect(await report.innerText()).toMatch(what)
        if (again) {
          await look(page, `real-again-${name}`)
          expect(await report.innerText()).toMatch(/Would be added\s+0/)
          await report.getByRole('button', { name: 'Choose another' }).click()
        } else {
          await report.getByRole('button', { name: 'Import' }).click()
          await imported.getByRole('link', { name: 'To the timeline' }).waitFor()
          await look(page, `real-${name}`)
        }
      }
    }
    const posts = await pod.query('[:find (count ?post) :where [?post :social/type "post"]]')
    expect(posts).toEqual([[rounds.reduce((sum, [, , n]) => sum + n, 0)]])
  })

  it('make one timeline, in which words are found, edited and what they were', async () => {
    const { page } = window
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Timeline', exact: true }).click()
    const posts = page.locator('article.post')
    const mine = posts.filter({ hasText: 'tweet 0' })
    await posts.first().waitFor()
    await look(page, 'real-timeline')
    for (const who of ['The Good Boi', 'Herminia Schroeder', 'Zoë Tester']) {
      await page.getByRole('button', { name: who }).click()
      await posts.filter({ hasText: who }).first().waitFor()
    }
    await mine.waitFor()
    await page.keyboard.press('/')
    await page.getByRole('searchbox', { name: 'What to look for' }).fill('Codename')
    await page.locator('.search-hit', { hasText: 'Codename: The Good Boi' }).waitFor()
    await look(page, 'real-search')
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Timeline', exact: true }).click()
    await page.getByRole('button', { name: 'Zoë Tester' }).click()
    await mine.hover()
    await mine.getByRole('button', { name: 'Edit' }).click()
    await page.getByLabel('Text of the post').fill('Better words.')
    await page.keyboard.press('Control+Enter')
    const better = posts.filter({ hasText: 'Better words.' })
    await better.waitFor()
    const messages = page.getByRole('status', { name: 'Messages' })
    await messages.getByRole('button', { name: 'Undo' }).click()
    await mine.waitFor()
    await messages.getByRole('button', { name: 'Redo' }).click()
    await better.hover()
    await better.getByRole('link', { name: 'Details' }).click()
    await page.getByRole('slider', { name: 'As of' }).focus()
    await page.keyboard.press('Home')
    await page.getByRole('region', { name: /^As it was/ }).getByText('tweet 0', { exact: false }).first().waitFor()
    await look(page, 'real-as-of')
  })

  it('go with the person to an empty pod', async () => {
    const { page } = window
    await page.getByRole('link', { name: 'Settings', exact: true }).click()
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'JSON lines' }).click()])
    const file = join(pod.home, 'pod.jsonl')
    await download.saveAs(file)
    const other = await startPod()
    await other.run(['import', file])
    const texts = '[:find ?post ?text :where [?post :social/text ?text]]'
    const here = await pod.query(texts)
    expect(here.length).toBeGreaterThan(200)
    expect((await other.query(texts)).sort()).toEqual(here.sort())
    await other.stop()
    expect(window.faults).toEqual([])
  })
})
