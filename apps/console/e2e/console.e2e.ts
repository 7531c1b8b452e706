import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Archive, archive, FIRST, HOSTILE, SECRET, WARNED, writeArchive } from './archive'
import { openWindow, overflow, PHONE, shot, startBrowser, violations, type Window, within } from './browser'
import { type Pod, startPod } from './pod'
import { zip } from './zip'

let browser: Browser
let pod: Pod
let folder: string
let made: Archive

beforeAll(async () => {
  made = archive()
  folder = mkdtempSync(join(tmpdir(), 'rhizome-archive-'))
  writeArchive(made, folder)
  ;[browser, pod] = await Promise.all([startBrowser(), startPod()])
})

afterAll(async () => {
  await browser?.close()
  await pod?.stop()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

const inWindow = (path: string, work: (window: Window) => Promise<void>, options = {}) => within(browser, pod.page(path), work, options)

const post = (page: Page, text: string) => page.locator('article.post', { hasText: text })

describe('an empty pod', () => {
  it('asks for the token when there is none, and takes a pasted address', async () => {
    const { page, close } = await openWindow(browser, `${pod.url}/`)
    await page.getByRole('heading', { name: 'This page needs the key' }).waitFor()
    expect(await violations(page)).toEqual([])
    await page.getByLabel('Address or token').fill(pod.page())
    await page.getByRole('button', { name: 'Open my pod' }).click()
    await page.getByRole('heading', { name: 'Welcome to your pod' }).waitFor()
    await close()
  })

  it('leads to the import, and past the welcome', async () => {
    await inWindow('/', async ({ page }) => {
      await page.getByRole('button', { name: 'Skip' }).click()
      await page.getByRole('button', { name: 'Later: remind me' }).click()
      await page.getByRole('button', { name: 'Not now, show me the pod' }).click()
      await page.getByRole('heading', { name: 'Your pod is ready' }).waitFor()
      await page.getByRole('link', { name: 'Import an export' }).click()
      await page.getByRole('heading', { name: 'Import', exact: true }).waitFor()
      expect(new URL(page.url()).hash).toBe('')
      expect(await violations(page)).toEqual([])
    })
  })
})

describe('import', () => {
  it('shows what a zip holds before it writes anything, then imports it', async () => {
    const file = join(folder, 'archive.zip')
    writeFileSync(file, zip(made.files))
    await inWindow('/import', async ({ page }) => {
      await page.getByLabel('Export file').setInputFiles(file)
      const report = page.getByRole('region', { name: 'What is in it' })
      await report.waitFor()
      expect(await report.innerText()).toMatch(/Mastodon/)
      expect(await report.innerText()).toMatch(new RegExp(`${made.counts.posts}\\s+posts`))
      expect(await report.innerText()).toMatch(new RegExp(`${made.counts.media}\\s+pictures`))
      expect(await report.innerText()).toMatch(/direct\s+\d/)
      await shot(page, 'import-report')
      expect(await violations(page)).toEqual([])
      expect(await pod.query('[:find ?e :where [?e "social/type" "post"]]')).toEqual([])

      await report.getByRole('button', { name: 'Import' }).click()
      const done = page.getByRole('region', { name: 'What was imported' })
      await done.waitFor()
      await shot(page, 'import-done')
      await done.getByRole('link', { name: 'To the timeline' }).click()
      await post(page, FIRST).waitFor()
    })
    expect(await pod.query('[:find ?e :where [?e "social/type" "post"]]')).toHaveLength(made.counts.posts)
  })

  it('adds nothing the second time, also from a folder', async () => {
    rmSync(join(folder, 'archive.zip'))
    await inWindow('/import', async ({ page }) => {
      await page.getByLabel(/on the machine where the pod runs/).fill(folder)
      await page.getByRole('button', { name: 'Look at it' }).click()
      await page.getByRole('button', { name: 'Import again' }).click()
      const done = page.getByRole('region', { name: 'What was imported' })
      await done.waitFor()
      expect(await done.innerText()).toMatch(/Everything was here already/)
      expect(await done.innerText()).toMatch(/Added\s+0 /)
      expect(await done.innerText()).toMatch(/Changed\s+0 /)
      // who comes back wants to import something else
      await page.reload()
      await page.getByText('Drop an export here').waitFor()
    })
  })

  it('explains what it cannot read', async () => {
    await inWindow('/import', async ({ page }) => {
      await page.getByLabel(/on the machine where the pod runs/).fill(join(folder, 'nowhere'))
      await page.getByRole('button', { name: 'Look at it' }).click()
      expect(await page.getByRole('alert').innerText()).toMatch(/nothing is at/)
    })
  })
})

describe('timeline', () => {
  it('shows the profile, the posts and their pictures', async () => {
    await inWindow('/', async ({ page }) => {
      await post(page, FIRST).waitFor()
      await page.getByRole('heading', { name: 'Wren Hollis' }).waitFor()
      await page.waitForFunction(() => {
        const avatar = document.querySelector<HTMLImageElement>('.profile img.avatar')
        const picture = document.querySelector<HTMLImageElement>('article .picture img')
        return avatar?.naturalWidth === 200 && picture && picture.naturalWidth > 0
      })
      await shot(page, 'timeline')
      const counts = await page.getByRole('group', { name: 'Show' }).innerText()
      const total = made.counts.posts + made.counts.replies + made.counts.boosts
      for (const count of [total, made.counts.posts, made.counts.replies, made.counts.boosts, made.counts.withMedia]) {
        expect(counts).toContain(String(count))
      }
      const pictures = post(page, 'Two from the ridge').getByRole('img', { name: /A hill and a low sun/ })
      expect(await pictures.count()).toBe(2)
      expect(await violations(page)).toEqual([])
    })
  })

  it('marks who could see a post', async () => {
    await inWindow('/', async ({ page }) => {
      await post(page, SECRET).scrollIntoViewIfNeeded()
      expect(await post(page, SECRET).locator('.audience').innerText()).toMatch(/direct/i)
      expect(await post(page, 'moving house').locator('.audience').innerText()).toMatch(/followers/i)
      expect(await post(page, 'grumble').locator('.audience').innerText()).toMatch(/unlisted/i)
      await shot(page, 'timeline-audiences')
    })
  })

  it('covers what is sensitive until asked', async () => {
    await inWindow('/', async ({ page }) => {
      const warned = post(page, WARNED)
      await warned.scrollIntoViewIfNeeded()
      expect(await warned.getByText('the sled').count()).toBe(0)
      await warned.getByRole('button', { name: 'Show' }).click()
      await warned.getByText('the sled').waitFor()

      const sensitive = post(page, 'Not for every eye')
      expect(await sensitive.locator('img:not(.avatar)').count()).toBe(0)
      await sensitive.getByRole('button', { name: /Sensitive/ }).click()
      await sensitive.locator('.picture img').waitFor()
    })
  })

  it('runs nothing that an export brings along', async () => {
    await inWindow('/', async ({ page }) => {
      const hostile = post(page, HOSTILE)
      await hostile.scrollIntoViewIfNeeded()
      expect(await hostile.locator('script, img:not(.avatar), a[href^="javascript:"]').count()).toBe(0)
      expect(await page.evaluate(() => 'hacked' in window)).toBe(false)
    })
  })

  it('opens pictures large, by mouse and by keyboard', async () => {
    await inWindow('/', async ({ page }) => {
      const film = post(page, 'The whole roll of film')
      await film.scrollIntoViewIfNeeded()
      await film.locator('.picture').first().click()
      const box = page.getByRole('dialog', { name: 'Media 1 of 6' })
      await box.waitFor()
      await page.keyboard.press('ArrowRight')
      await page.getByRole('dialog', { name: 'Media 2 of 6' }).waitFor()
      await page.keyboard.press('End')
      await page.getByRole('dialog', { name: 'Media 6 of 6' }).waitFor()
      await shot(page, 'lightbox')
      expect(await violations(page)).toEqual([])
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      expect(await page.evaluate(() => document.activeElement?.className)).toBe('picture')
    })
  })

  it('filters, and jumps to a month', async () => {
    await inWindow('/', async ({ page }) => {
      await post(page, FIRST).waitFor()
      await page.getByRole('button', { name: /^Replies/ }).click()
      await post(page, 'They are a treaty').waitFor()
      expect(await page.locator('article.post').count()).toBe(made.counts.replies)
      await page.getByRole('button', { name: /^Everything/ }).click()
      const months = page.getByRole('navigation', { name: 'Jump to a time' }).getByRole('button')
      await months.last().click()
      await page.waitForFunction(() => window.scrollY > 1_000)
      const focused = await page.evaluate(() => document.activeElement?.id)
      expect(focused).toMatch(/^month-2023-/)
    })
  })

  it('works by keyboard alone', async () => {
    await inWindow('/', async ({ page }) => {
      await post(page, FIRST).waitFor()
      await page.keyboard.press('j')
      await page.keyboard.press('j')
      expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('Evening light')
      await page.keyboard.press('k')
      await page.keyboard.press('e')
      await page.getByLabel('Text of the post').waitFor()
      await page.keyboard.press('Escape')
      await page.keyboard.press('g')
      await page.keyboard.press('q')
      await page.getByRole('heading', { name: 'Query' }).waitFor()
      await page.keyboard.press('?')
      await page.getByRole('dialog', { name: 'Keyboard and display' }).waitFor()
    })
  })
})

describe('live', () => {
  it('an edit in one window appears in the other', async () => {
    const one = await openWindow(browser, pod.page())
    const two = await openWindow(browser, pod.page())
    try {
      await post(two.page, FIRST).waitFor()
      const mine = post(one.page, FIRST)
      await mine.hover()
      await mine.getByRole('button', { name: 'Edit' }).click()
      const text = 'Edited in one window, read in the other.'
      await one.page.getByLabel('Text of the post').fill(text)
      await one.page.keyboard.press('Control+Enter')
      await post(two.page, text).waitFor()
      await post(one.page, text).waitFor()
      expect(await post(two.page, text).getAttribute('class')).toContain('flash')
      await shot(two.page, 'live-edit')
      expect([...one.faults, ...two.faults]).toEqual([])
    } finally {
      await one.close()
      await two.close()
    }
  })

  it('`rhizome tx` appears without a reload: a change and a new post', async () => {
    await inWindow('/', async ({ page }) => {
      const before = post(page, 'Edited in one window')
      await before.waitFor()
      const id = await before.getAttribute('data-post')
      await page.evaluate(() => Object.assign(window, { same: true }))
      const [author] = (await pod.query(`[:find ?author :where ["${id}" "social/author" ?author]]`))[0] ?? []
      await pod.run(
        ['tx', '--json', '-'],
        JSON.stringify([
          { assert: { entity: id, attribute: 'social/text', value: 'Changed by the command line.' } },
          { assert: { entity: '_:new', attribute: 'social/type', value: 'post' } },
          { assert: { entity: '_:new', attribute: 'social/author', value: { ref: author } } },
          { assert: { entity: '_:new', attribute: 'social/text', value: 'A new post from the command line.' } },
          { assert: { entity: '_:new', attribute: 'social/created', value: { time: Date.UTC(2024, 0, 1) } } },
        ]),
      )
      await post(page, 'Changed by the command line').waitFor()
      await post(page, 'A new post from the command line').waitFor()
      expect(await page.locator('article.post').first().innerText()).toContain('A new post from the command line')
      expect(await page.evaluate(() => 'same' in window)).toBe(true)
    })
  })

  it('the person decides when a post changes under the pen', async () => {
    await inWindow('/', async ({ page }) => {
      const mine = post(page, 'Changed by the command line')
      await mine.waitFor()
      const id = await mine.getAttribute('data-post')
      await mine.hover()
      await mine.getByRole('button', { name: 'Edit' }).click()
      const area = page.getByLabel('Text of the post')
      await area.fill('My own words')
      await pod.run(['tx', '--json', '-'], JSON.stringify([{ assert: { entity: id, attribute: 'social/text', value: 'Their words' } }]))
      await page.getByRole('alert').getByText('Their words').waitFor()
      expect(await area.inputValue()).toBe('My own words')
      await page.getByRole('button', { name: 'Take that text' }).click()
      expect(await area.inputValue()).toBe('Their words')
    })
  })
})

describe('query', () => {
  it('runs Datalog, sorts, and stays live', async () => {
    await inWindow('/query', async ({ page }) => {
      const editor = page.getByLabel('Query', { exact: true })
      await editor.fill('[:find ?text\n :where [?p "social/type" "note"]\n        [?p "social/text" ?text]]')
      await page.getByRole('switch', { name: 'Live' }).check()
      await page.getByText('No rows').waitFor()
      await pod.run(
        ['tx', '--json', '-'],
        JSON.stringify([
          { assert: { entity: '_:n', attribute: 'social/type', value: 'note' } },
          { assert: { entity: '_:n', attribute: 'social/text', value: 'arrived live' } },
        ]),
      )
      await page.getByRole('cell', { name: 'arrived live' }).waitFor()
      await shot(page, 'query-live')
      expect(await violations(page)).toEqual([])
    })
  })

  it('marks where an error is', async () => {
    await inWindow('/query', async ({ page }) => {
      await page.getByLabel('Query', { exact: true }).fill('[:find ?e\n :where [?e "social/text" ?t]\n        (nonsense ?e)]')
      await page.keyboard.press('Control+Enter')
      const error = page.locator('#query-error')
      await error.waitFor()
      expect(await error.innerText()).toMatch(/Line 3, column 9/)
      expect(await page.locator('.mark-error').innerText()).toBe('(')
      await shot(page, 'query-error')
      expect(await violations(page)).toEqual([])
    })
  })

  it('every example runs', async () => {
    await inWindow('/query', async ({ page }) => {
      const examples = page.getByRole('group', { name: 'Examples' }).getByRole('button')
      for (let at = 0; at < (await examples.count()); at++) {
        await examples.nth(at).click()
        await page.locator('.outcome:not(.running) > *').first().waitFor()
        expect(await page.locator('#query-error').count(), await examples.nth(at).innerText()).toBe(0)
      }
      await shot(page, 'query-iql')
    })
  })

  it('gives a result as CSV', async () => {
    await inWindow('/query', async ({ page }) => {
      await page.getByRole('button', { name: 'Who can see how much' }).click()
      await page.getByRole('table').waitFor()
      const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()])
      expect(download.suggestedFilename()).toBe('result.csv')
    })
  })
})

describe('data', () => {
  it('shows who wrote what, what was there before, and what points here', async () => {
    await inWindow('/', async ({ page }) => {
      const mine = post(page, 'Their words')
      await mine.waitFor()
      await mine.hover()
      await mine.getByRole('link', { name: 'Details' }).click()
      const tuples = page.getByRole('region', { name: 'Tuples' })
      await tuples.waitFor()
      expect(await tuples.innerText()).toContain('social/\u200btext'.replace('\u200b', ''))
      await page.locator('.history summary').click()
      await page.getByText(FIRST).first().waitFor()
      await shot(page, 'entity')
      expect(await violations(page)).toEqual([])
      await tuples.getByRole('link', { name: 'Wren Hollis' }).click()
      await page.getByRole('heading', { name: 'Wren Hollis' }).waitFor()
      await page.getByRole('heading', { name: /Points here/ }).waitFor()
    })
  })

  it('lists attributes and the entities that have one', async () => {
    await inWindow('/data', async ({ page }) => {
      await page.getByRole('link', { name: /^audience/ }).click()
      await page.getByRole('region', { name: 'social/audience' }).getByRole('cell', { name: 'followers' }).waitFor()
      await shot(page, 'data')
      expect(await violations(page)).toEqual([])
    })
  })
})

describe('phone', () => {
  for (const path of ['/', '/?show=media', '/query', '/import', '/data', '/data?attribute=social%2Ftext', '/devices', '/sharing', '/groups', '/apps', '/conflicts', '/history', '/storage', '/settings', '/welcome']) {
    it(`${path} fits and is accessible`, async () => {
      await inWindow(
        path,
        async ({ page }) => {
          await page.locator('main h1, main article').first().waitFor()
          await page.waitForTimeout(500)
          expect(await overflow(page)).toBe(0)
          expect(await violations(page)).toEqual([])
          await shot(page, `phone${path.replace(/\W+/g, '-')}`)
        },
        { ...PHONE, colorScheme: 'dark' },
      )
    })
  }
})

describe('recovery words', () => {
  it('are shown on request and confirmed', async () => {
    await inWindow('/', async ({ page }) => {
      await page.getByRole('button', { name: 'Not backed up' }).click()
      await page.getByRole('button', { name: 'Show the words' }).click()
      const words = await page.locator('.words li').allInnerTexts()
      expect(words).toHaveLength(24)
      expect(await violations(page)).toEqual([])
      await page.getByRole('button', { name: 'I have written them down' }).click()
      for (const field of await page.locator('.recovery .field').all()) {
        const position = Number.parseInt(await field.innerText(), 10)
        await field.getByRole('textbox').fill(words[position - 1] ?? '')
      }
      await page.getByRole('button', { name: 'Confirm' }).click()
      await page.getByText('Keep the paper').waitFor()
      await page.getByRole('button', { name: 'Close' }).last().click()
      await page.getByRole('button', { name: 'Not backed up' }).waitFor({ state: 'detached' })
    })
  })
})

describe('a long timeline', () => {
  it('draws a part of it, and all of it can be reached', async () => {
    const long = mkdtempSync(join(tmpdir(), 'rhizome-archive-long-'))
    try {
      writeArchive(archive(2_000), long)
      await pod.run(['import', long, '--json'])
      await inWindow('/', async ({ page }) => {
        await page.locator('article.post').first().waitFor()
        expect(await page.locator('article.post').count()).toBeLessThan(200)
        await page.keyboard.press('End')
        await page.getByText('That is everything').waitFor()
        await page.waitForFunction(() => document.querySelectorAll('article.post:not(.waiting)').length > 0)
        expect(await page.locator('article.post').count()).toBeLessThan(300)
        await shot(page, 'timeline-end')
      })
    } finally {
      rmSync(long, { recursive: true, force: true })
    }
  })
})
