import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { overflow, PHONE, shot, shotWhole, startBrowser, violations, type Window, within } from './browser'
import { type CloudPeer, type Pod, startCloudPeer, startPod } from './pod'

/** Two people who never meet: Alice shares an album with Bob by way of a peer that can read none of it. */

const ALBUM = 'is-photo: true && photo-album: "garibaldi"'

let browser: Browser
let alice: Pod
let bob: Pod
let cloud: CloudPeer
let did: { alice: string; bob: string }
let photos: Record<string, string>
let invite = ''

beforeAll(async () => {
  ;[browser, alice, bob, cloud] = await Promise.all([startBrowser(), startPod(), startPod(), startCloudPeer()])
  const of = async (pod: Pod) => ((await call(pod, '/status')) as { did: string }).did
  did = { alice: await of(alice), bob: await of(bob) }
  await Promise.all([alice, bob].map((pod) => pod.run(['peers', 'add', cloud.address])))
  const titles = ['Garibaldi Lake', 'Black Tusk', 'Camp at dusk', 'Marmot', 'First snow', 'The way down']
  const photo = (id: string, title: string, album: string) =>
    Object.entries({ 'is-photo': true, 'photo-album': album, 'photo-title': title }).map(([attribute, value]) => ({
      assert: { entity: `_:${id}`, attribute, value },
    }))
  const made = await call(alice, '/tx', [
    ...titles.flatMap((title, at) => photo(`p${at}`, title, 'garibaldi')),
    ...photo('private', 'Passport', 'papers'),
    // a bound is for whole numbers: neither the time nor the fraction matches one
    ...[2024, 2025, 2026, { time: 1_800_000_000_000 }, 2030.5].map((year, at) => set(`_:p${at}`, 'photo-year', year)),
  ])
  const { entities } = made as { entities: Record<string, string> }
  photos = Object.fromEntries(titles.map((title, at) => [title, entities[`_:p${at}`] ?? '']))
})

afterAll(async () => {
  await browser?.close()
  await Promise.all([alice?.stop(), bob?.stop(), cloud?.stop()])
})

async function call(pod: Pod, path: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(`${pod.url}/api/1${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${pod.token}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const read: unknown = await answer.json()
  if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(read)}`)
  return read
}

const inWindow = (pod: Pod, path: string, work: (window: Window) => Promise<void>, options = {}) => within(browser, pod.page(path), work, options)

const set = (entity: string, attribute: string, value: unknown) => ({ assert: { entity, attribute, value } })
const photo = (title: string) => photos[title] ?? ''
const caption = async (title: string) => (await alice.query(`[:find ?c :where ["${photo(title)}" "caption" ?c]]`)).flat()
const album = async (title: string) => (await alice.query(`[:find ?a :where ["${photo(title)}" "photo-album" ?a]]`)).flat()
const proposal = (page: Page, text: RegExp | string) => page.locator('[data-proposal]', { hasText: text })

/** What one said is here as soon as both have exchanged; nodes do that by themselves, and sooner if they are asked. */
async function exchange(): Promise<void> {
  for (const pod of [bob, alice, bob]) await call(pod, '/sync', {})
}

describe('an album', () => {
  it('is shared, after the page has shown what matches', async () => {
    await inWindow(alice, '/', async ({ page }) => {
      await page.getByText('Live', { exact: true }).waitFor()
      await page.keyboard.press('g')
      await page.keyboard.press('s')
      await page.getByText('Nobody sees anything of yours').waitFor()
      await shotWhole(page, 'sharing-empty')
      expect(await violations(page)).toEqual([])
      await page.getByRole('button', { name: 'Share something' }).click()
      const form = page.getByRole('form', { name: 'Share something' })
      await form.getByLabel('What', { exact: true }).fill('is-photo: true & photo-album: garibaldi')
      await form.getByText('At character 16: expected && or ||, or the end.').waitFor()
      await shotWhole(page, 'sharing-fault')
      expect(await violations(page)).toEqual([])
      await form.getByLabel('What', { exact: true }).fill('photo-year > 2024')
      await form.getByText('2 entities now').waitFor()
      await form.getByLabel('What', { exact: true }).fill('photo-album: papers || (photo-album: garibaldi && photo-year <= 2024)')
      await form.getByText('Everything whose photo-album is “papers” or (photo-album is “garibaldi” and photo-year is at most 2024): 2 entities now').waitFor()
      await form.getByLabel('What', { exact: true }).fill('photo-album: garibalbi')
      await form.getByText('nothing now').waitFor()
      await form.getByLabel('What', { exact: true }).fill(ALBUM)
      await form.getByText('6 entities now').waitFor()
      await page.setViewportSize({ width: 760, height: 800 })
      expect(await overflow(page)).toBe(0)
      await page.setViewportSize({ width: 1280, height: 860 })
      await form.getByText('and 1 more').waitFor()
      await form.getByRole('list', { name: 'Some of them' }).getByRole('link', { name: /Tusk|Lake|Camp|Marmot|snow|down/ }).nth(4).waitFor()
      await form.getByRole('radio', { name: /Read and write/ }).check()
      await form.getByLabel('Their DID').fill(did.alice)
      await form.getByText('That is your own').waitFor()
      await form.getByLabel('Their DID').fill(did.bob)
      await form.getByLabel('Until', { exact: true }).selectOption('in a month')
      await shotWhole(page, 'sharing-form')
      expect(await violations(page)).toEqual([])
      await page.setViewportSize(PHONE.viewport)
      expect(await overflow(page)).toBe(0)
      await shotWhole(page, 'sharing-form-narrow')
      await page.setViewportSize({ width: 1280, height: 860 })
      await form.getByRole('button', { name: 'Share', exact: true }).click()
      await page.getByRole('heading', { name: 'Now hand over the invitation' }).waitFor({ timeout: 30_000 })
      await page.getByRole('img', { name: 'The invitation as a QR code' }).waitFor()
      await page.getByText('For them alone, by a way others do not read.').waitFor()
      expect(await page.getByText('It is not yet where they can get it.').count()).toBe(0)
      invite = await page.locator('.invitation .copyable code').innerText()
      expect(invite).toMatch(/^rzshare1/)
      await page.getByText('Not accepted yet').waitFor()
      await shotWhole(page, 'sharing-invitation')
      expect(await violations(page)).toEqual([])
      await page.setViewportSize(PHONE.viewport)
      expect(await overflow(page)).toBe(0)
      await shotWhole(page, 'sharing-invitation-narrow')
      await page.getByRole('button', { name: 'I have handed it over' }).click()
    })
  })

  it('is accepted, with just what matches', async () => {
    await inWindow(
      bob,
      '/sharing',
      async ({ page }) => {
        await page.getByLabel('An invitation you got').fill('rzshare1nonsense')
        await page.getByRole('button', { name: 'Accept' }).click()
        expect(await page.getByRole('alert').innerText()).toMatch(/has to be copied whole/)
        await page.getByLabel('An invitation you got').fill(`rhizome accept ${invite}`)
        await page.getByRole('button', { name: 'Accept' }).click()
        await page.getByText('Accepted: 6 entities came. You may read and write.').waitFor({ timeout: 30_000 })
        const card = page.locator('[data-view]')
        await card.getByText('6 entities here').waitFor()
        expect(await overflow(page)).toBe(0)
        expect(await violations(page)).toEqual([])
        await shotWhole(page, 'shared-narrow')
        await card.getByRole('button', { name: /Look/ }).click()
        await page.getByRole('cell', { name: 'Garibaldi Lake' }).waitFor()
        expect(await page.getByText(/Passport|papers/).count()).toBe(0)
        expect(await page.getByLabel('Whose data').inputValue()).toBe(did.alice)
        expect(await overflow(page)).toBe(0)
        expect(await violations(page)).toEqual([])
        await shot(page, 'shared-look-narrow')
        await page.getByRole('cell').getByRole('button').first().click()
        await page.getByRole('cell', { name: 'is-photo' }).waitFor()
        await page.getByLabel('Whose data').selectOption('yours')
        await page.getByText(/^No rows/).waitFor()
      },
      PHONE,
    )
  })

  it('gets a caption from the one, which the page of the other shows', async () => {
    const query = `/query?q=${encodeURIComponent('[:find ?photo ?caption :where [?photo "caption" ?caption]]')}`
    await inWindow(alice, query, async ({ page }) => {
      await page.getByRole('switch', { name: 'Live' }).check()
      await call(bob, `/tx?pod=${did.alice}`, [set(photo('Black Tusk'), 'caption', 'the tooth of the thunderbird')])
      await exchange()
      await page.getByRole('cell', { name: 'the tooth of the thunderbird' }).waitFor()
      await page.getByRole('link', { name: 'Sharing' }).click()
      await page.getByText('Accepted', { exact: true }).waitFor()
      await shotWhole(page, 'sharing-given')
      expect(await violations(page)).toEqual([])
    })
  })
})

describe('proposals', () => {
  it('on purpose: of several entities, one can be adopted alone, and that be made undone', async () => {
    await call(bob, '/propose', {
      to: did.alice,
      changes: [
        set(photo('Black Tusk'), 'caption', 'a tooth of the thunderbird'),
        set(photo('Marmot'), 'caption', 'our cook'),
        set('_:new', 'photo-title', 'The lost one'),
      ],
      comment: 'Two captions, and one that you forgot?',
    })
    await exchange()
    await inWindow(alice, '/sharing', async ({ page }) => {
      const card = proposal(page, 'one that you forgot?')
      await card.locator('del', { hasText: 'the tooth' }).waitFor()
      await card.locator('ins', { hasText: 'a tooth' }).waitFor()
      await card.getByText('A new entity').waitFor()
      await shotWhole(page, 'proposal')
      expect(await violations(page)).toEqual([])
      await card.getByLabel('Say something about it').fill('Who is the cook?')
      await card.getByRole('button', { name: 'Say it' }).click()
      await card.locator('.talk-said', { hasText: 'Who is the cook?' }).getByText('you', { exact: true }).waitFor()
      await exchange()
      await inWindow(
        bob,
        '/sharing',
        async ({ page: his }) => {
          await his.getByText('1 proposal of yours, 1 comment').click()
          const asked = his.locator('[data-proposed]')
          await asked.getByText('Who is the cook?').waitFor()
          await asked.getByLabel('Say something about it').fill('He who eats most.')
          await asked.getByRole('button', { name: 'Say it' }).click()
          await asked.locator('.talk-said li').nth(1).waitFor()
          expect(await overflow(his)).toBe(0)
          expect(await violations(his)).toEqual([])
          await shotWhole(his, 'talk-narrow')
        },
        { ...PHONE, colorScheme: 'dark' },
      )
      await exchange()
      await card.getByText('He who eats most.').waitFor()
      await shotWhole(page, 'talk')
      expect(await violations(page)).toEqual([])
      const one = card.locator('.difference', { hasText: 'our cook' })
      await one.getByRole('button', { name: 'Adopt only this' }).click()
      await card.getByText('adopted in part').waitFor()
      await one.getByText('adopted', { exact: true }).waitFor()
      expect(await caption('Marmot')).toEqual(['our cook'])
      await shotWhole(page, 'proposal-in-part')
      expect(await violations(page)).toEqual([])
      await card.getByRole('button', { name: 'Undo the adoption' }).click()
      await card.getByText('adopted in part').waitFor({ state: 'detached' })
      expect(await caption('Marmot')).toEqual([])
      await one.getByRole('button', { name: 'Adopt only this' }).click()
      await card.getByRole('button', { name: 'Decline the rest' }).click()
      await page.getByText('None are open.').waitFor()
    })
    expect(await caption('Marmot')).toEqual(['our cook'])
    expect(await caption('Black Tusk')).toEqual(['the tooth of the thunderbird'])
  })

  it('a change that does not count stands there, and is adopted or declined', async () => {
    await call(bob, `/tx?pod=${did.alice}`, [set(photo('First snow'), 'photo-album', 'winter')])
    await call(bob, `/tx?pod=${did.alice}`, [set(photo('The way down'), 'photo-album', 'mine')])
    await exchange()
    await inWindow(bob, '/sharing', async ({ page }) => {
      await page.getByText('2 changes of yours do not count').click()
      await page.getByText('it would change what decides whether the entity is shared').waitFor()
      await shotWhole(page, 'shared-refused')
      expect(await violations(page)).toEqual([])
    })
    expect(await album('First snow')).toEqual(['garibaldi'])
    await inWindow(
      alice,
      '/sharing',
      async ({ page }) => {
        const card = proposal(page, /it did not count: it would change what decides.*winter/s)
        await card.locator('del', { hasText: 'garibaldi' }).waitFor()
        expect(await overflow(page)).toBe(0)
        expect(await violations(page)).toEqual([])
        await shotWhole(page, 'proposals-narrow')
        await card.getByRole('button', { name: 'Adopt', exact: true }).click()
        await page.getByText('adopted', { exact: true }).first().waitFor({ state: 'attached' })
        await proposal(page, 'mine').getByRole('button', { name: 'Decline' }).click()
        await page.getByText('None are open.').waitFor()
        await page.getByText('Decided').click()
        await page.getByText('declined', { exact: true }).waitFor()
        expect(await violations(page)).toEqual([])
        await shotWhole(page, 'proposals-decided-narrow')
      },
      { ...PHONE, colorScheme: 'dark' },
    )
    expect(await album('First snow')).toEqual(['winter'])
    expect(await album('The way down')).toEqual(['garibaldi'])
    await exchange()
    await inWindow(bob, '/sharing', ({ page }) => page.getByText('5 entities here').waitFor())
  })
})

describe('while no peer answers', () => {
  it('something can be shared, and the page says that it cannot be got yet', async () => {
    await cloud.sleep()
    await inWindow(alice, '/sharing', async ({ page }) => {
      await page.getByRole('button', { name: 'Share something' }).click()
      const form = page.getByRole('form', { name: 'Share something' })
      await form.getByLabel('What', { exact: true }).fill('photo-album: winter')
      await form.getByText('1 entity now').waitFor()
      await form.getByLabel('Their DID').fill(did.bob)
      await form.getByLabel('Until', { exact: true }).selectOption('the end of a day…')
      await form.getByLabel('The last day').fill('2099-12-31')
      await shotWhole(page, 'sharing-until')
      expect(await violations(page)).toEqual([])
      await form.getByRole('button', { name: 'Share', exact: true }).click()
      await page.getByText('It is not yet where they can get it.').waitFor({ timeout: 40_000 })
      await page.getByText('until 31 Dec 2099').first().waitFor()
      await shotWhole(page, 'sharing-not-sent')
      expect(await violations(page)).toEqual([])
      const late = await page.locator('.invitation .copyable code').innerText()
      await cloud.wake()
      await exchange()
      expect(await call(bob, '/accept', { invite: late })).toMatchObject({ of: did.alice, can: 'read', entities: 1 })
    })
  })
})

describe('taken back', () => {
  it('after the page has said that what was read cannot be unsent', async () => {
    await bob.sleep()
    await inWindow(alice, '/sharing', async ({ page }) => {
      await page.locator('[data-grant]', { hasText: 'garibaldi' }).getByRole('button', { name: 'Take back' }).click()
      const dialog = page.getByRole('dialog', { name: 'Take this back?' })
      await dialog.getByText('That cannot be unsent.').waitFor()
      await shot(page, 'take-back')
      expect(await violations(page)).toEqual([])
      await dialog.getByRole('button', { name: 'Take it back' }).click()
      await dialog.waitFor({ state: 'detached', timeout: 30_000 })
      await page.getByText('Taken back or over').click()
      await shotWhole(page, 'sharing-taken-back')
      expect(await violations(page)).toEqual([])
    })
  })

  it('what is written then is a proposal, and is adopted', async () => {
    // he has not heard of it yet
    await bob.run(['tx', '--pod', did.alice, '-'], JSON.stringify([set(photo('Camp at dusk'), 'caption', 'mosquitoes')]))
    await bob.wake()
    await exchange()
    await inWindow(alice, '/sharing', async ({ page }) => {
      const card = proposal(page, 'they may not write here (any more)')
      await card.locator('ins', { hasText: 'mosquitoes' }).waitFor({ timeout: 30_000 })
      expect(await caption('Camp at dusk')).toEqual([])
      await shotWhole(page, 'proposal-too-late')
      expect(await violations(page)).toEqual([])
      await card.getByRole('button', { name: 'Adopt', exact: true }).click()
      await page.getByText('None are open.').waitFor()
    })
    expect(await caption('Camp at dusk')).toEqual(['mosquitoes'])
  })

  it('the other is told so, can write no longer, and can forget it', async () => {
    await inWindow(bob, '/sharing', async ({ page }) => {
      await page.getByText('taken back, or its time is over').waitFor({ timeout: 30_000 })
      await shotWhole(page, 'shared-taken-back')
      await expect(call(bob, `/tx?pod=${did.alice}`, [set(photo('Marmot'), 'caption', 'later')])).rejects.toThrow(/not write/)
      await page.locator('[data-view]', { hasText: 'garibaldi' }).getByRole('button', { name: /Forget/ }).click()
      await page.getByRole('dialog').getByText('They are told nothing').waitFor()
      expect(await violations(page)).toEqual([])
      await page.getByRole('dialog').getByRole('button', { name: 'Forget it' }).click()
      await page.locator('[data-view]', { hasText: 'garibaldi' }).waitFor({ state: 'detached' })
      await page.locator('[data-view]', { hasText: 'winter' }).waitFor()
    })
    expect(await caption('Marmot')).toEqual(['our cook'])
  })
})
