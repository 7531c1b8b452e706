import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openWindow, overflow, PHONE, shot, shotWhole, startBrowser, violations, type Window, within } from './browser'
import { type CloudPeer, type Newcomer, type Pod, startCloudPeer, startComparing, startPod } from './pod'

/** A laptop, a cloud peer that keeps its pod sealed, and a phone that joins by the code on the laptop's page. */

const DARK_PHONE = { ...PHONE, colorScheme: 'dark' } as const

let browser: Browser
let laptop: Pod
let cloud: CloudPeer
let phone: Pod | undefined

beforeAll(async () => {
  ;[browser, laptop, cloud] = await Promise.all([startBrowser(), startPod(), startCloudPeer()])
})

afterAll(async () => {
  await browser?.close()
  await Promise.all([phone?.stop(), laptop?.stop(), cloud?.stop()])
})

const inWindow = (pod: Pod, path: string, work: (window: Window) => Promise<void>, options = {}) => within(browser, pod.page(path), work, options)

const section = (page: Page, name: RegExp) => page.getByRole('region', { name })
const note = (text: string) => JSON.stringify([{ assert: { entity: '_:n', attribute: 'note/text', value: text } }])

describe('one device alone', () => {
  it('is listed, can be renamed by keyboard, and cannot be removed from itself', async () => {
    await inWindow(laptop, '/', async ({ page }) => {
      // keys are heard once the page is there
      await page.getByText('Live', { exact: true }).waitFor()
      await page.keyboard.press('g')
      await page.keyboard.press('v')
      await page.getByRole('heading', { name: 'Devices', exact: true }).waitFor()
      const card = page.locator('[data-device]')
      await card.getByText('this one').waitFor()
      expect(await card.getByRole('button', { name: /Remove/ }).count()).toBe(0)
      await card.getByRole('button', { name: /Rename/ }).press('Enter')
      await page.getByLabel('Name of the device').fill('laptop')
      await page.keyboard.press('Enter')
      await card.getByRole('heading', { name: /^laptop/ }).waitFor()
      await page.getByText('No peer keeps this pod').waitFor()
      expect(await violations(page)).toEqual([])
    })
    expect(await laptop.run(['devices'])).toMatch(/laptop {2}\(this one\)/)
  })

  it('says what is wrong with an address', async () => {
    await inWindow(laptop, '/devices', async ({ page }) => {
      await page.getByLabel('Address of a peer').fill('rhizome:nonsense')
      await page.getByRole('button', { name: 'Add', exact: true }).click()
      expect(await page.getByRole('alert').innerText()).toMatch(/not the address of a peer/)
    })
  })

  it('adds a peer by its address, and is in step with it', async () => {
    await inWindow(laptop, '/devices', async ({ page }) => {
      await page.getByLabel('Address of a peer').fill(cloud.address)
      await page.getByRole('button', { name: 'Add', exact: true }).click()
      const peer = page.locator('[data-peer]')
      await peer.getByText('In step').waitFor()
      await page.getByRole('contentinfo', { name: 'Pod' }).getByText('In step with 1 peer').waitFor()
      await shotWhole(page, 'devices-one')
    })
  })
})

describe('a second device', () => {
  it('joins by the code on the page, and the page says so by itself', async () => {
    await inWindow(laptop, '/devices', async ({ page }) => {
      await page.getByRole('button', { name: 'Add a device' }).click()
      const dialog = page.getByRole('dialog', { name: 'Add a device' })
      await dialog.getByRole('button', { name: 'Show the code' }).click()
      await dialog.getByRole('img', { name: 'The code as a QR code' }).waitFor()
      expect(await dialog.getByRole('timer').innerText()).toMatch(/^[12]:\d\d$/)
      await shot(page, 'pairing')
      expect(await violations(page)).toEqual([])
      const command = await dialog.locator('.copyable code').first().innerText()
      const [program, verb, code = ''] = command.split(' ')
      expect([program, verb]).toEqual(['rhizome', 'join'])
      phone = await startPod(['join', code, '--name', 'phone'])
      await dialog.getByText('phone is one of your devices now.').waitFor()
      await shot(page, 'joined')
      await dialog.getByRole('button', { name: 'Done' }).click()
      await section(page, /Your devices/).getByRole('heading', { name: 'phone' }).waitFor()
    })
  })

  it('closing the dialog takes the code back', async () => {
    await inWindow(laptop, '/devices', async ({ page }) => {
      await page.getByRole('button', { name: 'Add a device' }).click()
      await page.getByRole('button', { name: 'Show the code' }).click()
      const code = await page.locator('.copyable code').first().innerText()
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await expect(startPod(['join', code.split(' ')[2] ?? '', '--name', 'late'])).rejects.toThrow()
    })
  })

  it('an edit on one appears on the page of the other without a reload', async () => {
    if (!phone) throw new Error('no phone')
    const query = `/query?q=${encodeURIComponent('[:find ?text :where [_ "note/text" ?text]]')}`
    const there = await openWindow(browser, phone.page(query), DARK_PHONE)
    const here = await openWindow(browser, laptop.page(query))
    try {
      for (const { page } of [there, here]) await page.getByRole('switch', { name: 'Live' }).check()
      await there.page.getByText('In step with 1 peer').waitFor()
      await laptop.run(['tx', '--json', '-'], note('written on the laptop'))
      await there.page.getByRole('cell', { name: 'written on the laptop' }).waitFor()
      await phone.run(['tx', '--json', '-'], note('written on the phone'))
      await here.page.getByRole('cell', { name: 'written on the phone' }).waitFor()
      await shot(there.page, 'phone-live')
      expect([...there.faults, ...here.faults]).toEqual([])
    } finally {
      await there.close()
      await here.close()
    }
    const digest = async (pod: Pod) => (JSON.parse(await pod.run(['digest', '--json'])) as { digest: string }).digest
    expect(await digest(phone)).toBe(await digest(laptop))
  })

  it('both are listed with the peer, on a phone too', async () => {
    if (!phone) throw new Error('no phone')
    await inWindow(laptop, '/devices', async ({ page }) => {
      await page.locator('[data-peer]').getByText('In step').waitFor()
      await section(page, /Your devices/).getByText(/connected now/).waitFor()
      await page.setViewportSize({ width: 1280, height: 930 })
      await shot(page, 'devices')
      expect(await violations(page)).toEqual([])
    })
    await inWindow(
      phone,
      '/devices',
      async ({ page }) => {
        await page.locator('[data-peer]').getByText('In step').waitFor()
        expect(await overflow(page)).toBe(0)
        expect(await violations(page)).toEqual([])
        await shotWhole(page, 'devices-phone-dark')
      },
      DARK_PHONE,
    )
  })

  it('says where a write is', async () => {
    const [[id] = []] = await laptop.query('[:find ?n :where [?n "note/text" "written on the phone"]]')
    await inWindow(laptop, `/data/${String(id)}`, async ({ page }) => {
      await page.getByText('on 2 devices, kept by 1 peer').waitFor()
      expect(await violations(page)).toEqual([])
    })
  })

  it('what both wrote at once is a conflict to look at', async () => {
    if (!phone) throw new Error('no phone')
    const [[id] = []] = await laptop.query('[:find ?n :where [?n "note/text" "written on the phone"]]')
    const set = (value: string) => JSON.stringify([{ assert: { entity: id, attribute: 'note/colour', value } }])
    // Each writes before it hears of the other: the peer and the phone sleep.
    await Promise.all([cloud.sleep(), phone.sleep()])
    await Promise.all([laptop.run(['tx', '--json', '-'], set('red')), phone.run(['tx', '--json', '-'], set('blue'))])
    await inWindow(laptop, '/devices', async ({ page }) => {
      await page.getByText('1 change not yet delivered').waitFor()
      await page.locator('[data-peer]').getByText('Out of reach').waitFor({ timeout: 60_000 })
      await section(page, /Your devices/).getByText(/last seen/).waitFor()
      await shotWhole(page, 'devices-offline')
      expect(await violations(page)).toEqual([])
      await Promise.all([cloud.wake(), phone?.wake()])
      await page.locator('[data-peer]').getByText('In step').waitFor({ timeout: 60_000 })
      await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Data' }).click()
      await page.getByRole('link', { name: '1 value was written differently in two places at once' }).click({ timeout: 60_000 })
      const conflict = page.locator('.card.conflict')
      expect(await conflict.innerText()).toMatch(/note\/colour[\s\S]*(red|blue)[\s\S]*(red|blue)[\s\S]*shown/)
      await shotWhole(page, 'conflicts')
      expect(await violations(page)).toEqual([])
      await conflict.getByRole('heading').getByRole('link').click()
      await page.getByText('was written in two places at once').waitFor()
    })
    await laptop.run(['tx', '--json', '-'], set('green'))
    await inWindow(laptop, '/conflicts', ({ page }) => page.getByText('There are none.').waitFor())
  }, 180_000)
})

describe('a device without a camera', () => {
  const tablets: Newcomer[] = []
  afterAll(() => Promise.all(tablets.map((tablet) => tablet.stop())))

  /** Shows a code that is no secret, and the pictures that both devices show then. */
  async function compare(page: Page) {
    await page.getByRole('button', { name: 'Add a device' }).click()
    const dialog = page.getByRole('dialog', { name: 'Add a device' })
    await dialog.getByRole('button', { name: 'Without a camera' }).click()
    const command = await dialog.locator('.copyable code').first().innerText()
    expect(command).toMatch(/^rhizome join rhizome:1:[a-z2-7]+$/)
    expect(await dialog.getByRole('img', { name: 'The code as a QR code' }).count()).toBe(0)
    await shot(page, 'comparing-code')
    expect(await violations(page)).toEqual([])
    const tablet = await startComparing(command.split(' ')[2] ?? '', 'tablet')
    tablets.push(tablet)
    await dialog.getByText('tablet wants to become one of your devices').waitFor()
    const shown = await dialog.getByRole('list', { name: 'The seven pictures' }).getByRole('listitem').allInnerTexts()
    expect(shown.map((text) => text.split(/\s+/))).toEqual(tablet.emoji.map(({ symbol, name }) => [symbol, ...name.split(' ')]))
    expect(shown).toHaveLength(7)
    return { dialog, tablet }
  }

  it('does not join when the pictures do not match', async () => {
    await inWindow(laptop, '/devices', async ({ page }) => {
      const { dialog, tablet } = await compare(page)
      tablet.say('yes')
      await dialog.getByRole('button', { name: 'They do not match' }).click()
      await dialog.getByText('The pictures were said not to match').waitFor()
      await shot(page, 'comparing-refused')
      expect(await violations(page)).toEqual([])
      expect(await tablet.ended).toMatch(/not-confirmed/)
      await page.keyboard.press('Escape')
    })
    expect(await laptop.run(['devices'])).not.toMatch(/tablet/)
  })

  it('nor when the new device says so', async () => {
    await inWindow(laptop, '/devices', async ({ page }) => {
      const { dialog, tablet } = await compare(page)
      tablet.say('no')
      await dialog.getByText('The pictures were said not to match').waitFor()
      expect(await tablet.ended).toMatch(/not-confirmed/)
    })
    expect(await laptop.run(['devices'])).not.toMatch(/tablet/)
  })

  it('nor when it goes away, and no other takes its place on the page', async () => {
    await inWindow(laptop, '/devices', async ({ page }) => {
      const { dialog, tablet } = await compare(page)
      await tablet.stop()
      await dialog.getByText('the new device hung up').waitFor({ timeout: 60_000 })
    })
    expect(await laptop.run(['devices'])).not.toMatch(/tablet/)
  }, 90_000)

  it('joins when both people say that they match', async () => {
    await inWindow(laptop, '/devices', async ({ page }) => {
      const { dialog, tablet } = await compare(page)
      await shot(page, 'comparing')
      expect(await violations(page)).toEqual([])
      await page.setViewportSize(PHONE.viewport)
      expect(await overflow(page)).toBe(0)
      await shot(page, 'comparing-narrow')
      await dialog.getByRole('button', { name: 'They match', exact: true }).click()
      await dialog.getByText('Say yes on the new device too.').waitFor()
      tablet.say('yes')
      await dialog.getByText('tablet is one of your devices now.').waitFor()
      expect(await tablet.ended).toBe('')
      await dialog.getByRole('button', { name: 'Done' }).click()
      await section(page, /Your devices/).getByRole('heading', { name: 'tablet' }).waitFor()
    })
  })
})

describe('recovery words', () => {
  it('can be tested at any time', async () => {
    const answer = await fetch(`${laptop.url}/api/1/recovery/words`, {
      method: 'POST',
      headers: { authorization: `Bearer ${laptop.token}` },
      body: '{}',
    })
    const { words } = (await answer.json()) as { words: string[] }
    await inWindow(laptop, '/devices', async ({ page }) => {
      await page.getByRole('button', { name: 'Test the paper' }).click()
      const area = page.getByLabel(/The words/)
      await area.fill([...words.slice(1), 'zoo'].join(' '))
      await page.getByRole('button', { name: 'Test', exact: true }).click()
      await page.getByRole('alert').waitFor()
      expect(await violations(page)).toEqual([])
      await area.fill(words.join('\n'))
      await page.getByRole('button', { name: 'Test', exact: true }).click()
      await page.getByText('These words take this pod back').waitFor()
    })
  })
})

describe('a stolen device', () => {
  it('is removed, after the page has said what that means', async () => {
    await inWindow(laptop, '/devices', async ({ page }) => {
      await page.getByRole('button', { name: 'Remove phone' }).click()
      const dialog = page.getByRole('dialog', { name: 'Remove phone?' })
      await dialog.getByText('This cannot be undone').waitFor()
      await shot(page, 'remove')
      expect(await violations(page)).toEqual([])
      await dialog.getByRole('button', { name: 'Remove it' }).click()
      await page.getByRole('button', { name: 'Remove phone' }).waitFor({ state: 'detached' })
    })
    expect(await laptop.run(['devices'])).not.toMatch(/phone/)
  })
})
