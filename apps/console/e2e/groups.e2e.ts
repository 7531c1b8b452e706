import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { overflow, PHONE, shotWhole, startBrowser, violations, type Window, within } from './browser'
import { picture } from './picture'
import { type CloudPeer, type Pod, startCloudPeer, startPod } from './pod'

/** Three people and a peer that can read none of it: a club, from its first page to the last who may not go. */

const CLUB = 'Garibaldi Hiking Club'

let browser: Browser
let alice: Pod
let bob: Pod
let carol: Pod
let cloud: CloudPeer
let did: { alice: string; bob: string; carol: string }
let group = ''
const invites: Record<string, string> = {}

beforeAll(async () => {
  ;[browser, alice, bob, carol, cloud] = await Promise.all([startBrowser(), startPod(), startPod(), startPod(), startCloudPeer()])
  const of = async (pod: Pod) => ((await call(pod, '/status')) as { did: string }).did
  did = { alice: await of(alice), bob: await of(bob), carol: await of(carol) }
  await Promise.all([alice, bob].map((pod) => pod.run(['peers', 'add', cloud.address])))
})

afterAll(async () => {
  await browser?.close()
  await Promise.all([alice?.stop(), bob?.stop(), carol?.stop(), cloud?.stop()])
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

/** Twice: as it is, and in the other colours. */
async function shot(page: Page, name: string): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await shotWhole(page, `${name}-${colorScheme}`)
  }
  await page.emulateMedia({ colorScheme: null })
}

const inWindow = (pod: Pod, path: string, work: (window: Window) => Promise<void>, options = {}) => within(browser, pod.page(path), work, options)

/** Fits, reads well to a machine, and is on record. */
async function sound(page: Page, name: string): Promise<void> {
  expect(await overflow(page)).toBe(0)
  expect(await violations(page)).toEqual([])
  await shot(page, name)
}

const person = (page: Page, whose: string) => page.locator(`[data-member="${whose}"]`)
const thing = (page: Page, title: string) => page.locator('[data-entity]', { hasText: title })

async function invite(page: Page, whom: string, role: RegExp): Promise<string> {
  await page.getByRole('button', { name: 'Invite somebody' }).click()
  const form = page.getByRole('form', { name: 'Invite somebody' })
  await form.getByLabel('Their DID').fill(whom)
  await form.getByRole('radio', { name: role }).check()
  await sound(page, 'group-invite')
  await form.getByRole('button', { name: 'Invite', exact: true }).click()
  await page.getByRole('heading', { name: 'Now hand over the invitation' }).waitFor({ timeout: 30_000 })
  await page.getByRole('img', { name: 'The invitation as a QR code' }).waitFor()
  expect(await page.getByText('It is not yet where they can get it.').count()).toBe(0)
  await sound(page, 'group-invitation')
  const text = await page.locator('.invitation .copyable code').innerText()
  expect(text).toMatch(/^rzshare1/)
  await page.getByRole('button', { name: 'I have handed it over' }).click()
  await person(page, whom).getByText('Invited, not seen here yet').waitFor()
  return text
}

describe('a group', () => {
  it('is made, gets something in it, and its first invitation', async () => {
    await inWindow(alice, '/', async ({ page }) => {
      await page.getByText('Live', { exact: true }).waitFor()
      await page.keyboard.press('g')
      await page.keyboard.press('g')
      await page.getByText('You are in none.').waitFor()
      await sound(page, 'groups-empty')
      await page.getByLabel('The name of a new group').fill(CLUB)
      await page.getByRole('button', { name: 'Make it' }).click()
      await page.getByRole('heading', { name: CLUB }).waitFor({ timeout: 30_000 })
      await page.getByText('You are an admin here.').waitFor()
      group = decodeURIComponent(new URL(page.url()).pathname.replace('/groups/', ''))
      expect(group).toMatch(/^did:rhizome:/)
      await page.getByText('Nothing yet. What you add, everybody here has at once.').waitFor()
      await page.getByRole('button', { name: 'Add something' }).click()
      const form = page.getByRole('form', { name: 'Add something' })
      await form.getByLabel('Title').fill('The lake in June')
      await form.getByLabel('Text').fill('Bring a rope.')
      await form.getByLabel('Picture').setInputFiles({ name: 'lake.png', mimeType: 'image/png', buffer: picture(7, 640, 420) })
      await sound(page, 'group-add')
      await form.getByRole('button', { name: 'Add', exact: true }).click()
      await thing(page, 'The lake in June').getByText('by you').waitFor()
      await thing(page, 'The lake in June').locator('img').evaluate((img: HTMLImageElement) => img.decode())
      invites['bob'] = await invite(page, did.bob, /^Admin/)
      await sound(page, 'group-first')
      // the same again is refused before it is asked
      await page.getByRole('button', { name: 'Invite somebody' }).click()
      await page.getByLabel('Their DID').fill(did.bob)
      await page.getByText('They are invited already.').waitFor()
      expect(await page.getByRole('button', { name: 'Invite', exact: true }).isDisabled()).toBe(true)
      await page.getByLabel('Their DID').fill(did.alice)
      await page.getByText('That is your own.').waitFor()
    })
  })

  it('is entered by the field for invitations, on the page of sharing too, and each sees what the other does', async () => {
    await inWindow(alice, `/groups/${group}`, async ({ page: theirs }) => {
      await inWindow(bob, '/sharing', async ({ page }) => {
        await page.getByLabel('An invitation you got').fill(`rhizome accept ${invites['bob']}`)
        await page.getByRole('button', { name: 'Accept' }).click()
        await page.getByRole('heading', { name: CLUB }).waitFor({ timeout: 30_000 })
        await thing(page, 'The lake in June').waitFor()
        await thing(page, 'The lake in June').getByText(did.alice.slice(-10)).waitFor()
        // nobody asks for an exchange: both are on
        await person(theirs, did.bob).getByText(/^came/).waitFor({ timeout: 60_000 })
        await page.getByText('You are an admin here.').waitFor({ timeout: 60_000 })
        const row = thing(page, 'The lake in June')
        await row.getByRole('button', { name: 'The lake in June' }).click()
        const edit = row.getByRole('form')
        await edit.getByLabel('text', { exact: true }).fill('Bring a rope and bread.')
        await edit.getByRole('button', { name: 'Say something more of it' }).click()
        await edit.getByLabel('What').fill('place')
        await edit.getByLabel('Is').fill('the north shore')
        await sound(page, 'group-edit')
        await edit.getByRole('button', { name: 'Save' }).click()
        await row.getByText('by you').waitFor()
        await thing(theirs, 'The lake in June').getByText(did.bob.slice(-10)).waitFor({ timeout: 30_000 })
        await thing(theirs, 'The lake in June').getByRole('button').click()
        const edited = thing(theirs, 'The lake in June').getByRole('form')
        expect(await edited.getByLabel('text', { exact: true }).inputValue()).toBe('Bring a rope and bread.')
        expect(await edited.getByLabel('place', { exact: true }).inputValue()).toBe('the north shore')
        // while the one writes, the other does, too
        await edited.getByLabel('place', { exact: true }).fill('the hut')
        const [{ id }] = ((await call(bob, `/groups/contents?group=${group}`)) as { entities: [{ id: string }] }).entities
        await call(bob, `/tx?pod=${group}`, [{ assert: { entity: id, attribute: 'place', value: 'the south shore' } }])
        await edited.getByText('Somebody changed it meanwhile: now it is “the south shore”.').waitFor({ timeout: 30_000 })
        await sound(theirs, 'group-edited-meanwhile')
        await edited.getByRole('button', { name: 'Take theirs' }).click()
        expect(await edited.getByLabel('place', { exact: true }).inputValue()).toBe('the south shore')
        await edited.getByRole('button', { name: 'Close' }).click()
      })
    })
  })

  it('is to be had as a table, and on the list', async () => {
    await inWindow(
      bob,
      '/groups',
      async ({ page }) => {
        await page.locator(`[data-group="${group}"]`).getByText('2 people').waitFor()
        await sound(page, 'groups-narrow')
        await page.getByRole('link', { name: CLUB }).click()
        await thing(page, 'The lake in June').waitFor()
        await sound(page, 'group-narrow')
        await page.getByRole('button', { name: 'As a table' }).click()
        await page.getByRole('cell', { name: 'The lake in June' }).waitFor()
        expect(await page.getByLabel('Whose data').locator('option:checked').innerText()).toBe(`the group ${CLUB}`)
        await sound(page, 'group-table-narrow')
      },
      PHONE,
    )
  })

  it('has a reader, who comes by a phone, changes nothing, and is removed', async () => {
    await inWindow(bob, `/groups/${group}`, async ({ page }) => {
      invites['carol'] = await invite(page, did.carol, /^Reader/)
      await inWindow(
        carol,
        '/groups',
        async ({ page: theirs }) => {
          await theirs.getByLabel('An invitation you got').fill('rzshare1nonsense')
          await theirs.getByRole('button', { name: 'Accept' }).click()
          expect(await theirs.getByRole('alert').innerText()).toMatch(/has to be copied whole/)
          await theirs.getByLabel('An invitation you got').fill(invites['carol'] ?? '')
          await theirs.getByRole('button', { name: 'Accept' }).click()
          await theirs.getByRole('heading', { name: CLUB }).waitFor({ timeout: 30_000 })
          await theirs.getByText('You are a reader here.').waitFor({ timeout: 60_000 })
          await thing(theirs, 'The lake in June').getByRole('button').click()
          await theirs.getByText('the south shore').waitFor()
          for (const name of ['Add something', 'Invite somebody', 'Save', /^Remove/]) expect(await theirs.getByRole('button', { name }).count()).toBe(0)
          await sound(theirs, 'group-reader-narrow')
          await person(page, did.carol).getByText(/^came/).waitFor({ timeout: 60_000 })
          // who came before him he does not remove
          expect(await person(page, did.alice).getByRole('button', { name: /Remove/ }).count()).toBe(0)
          await person(page, did.carol).getByRole('button', { name: /Remove/ }).click()
          const dialog = page.getByRole('dialog', { name: 'Remove from the group?' })
          await dialog.getByText('What is written from now on they cannot read.').waitFor()
          await sound(page, 'group-remove')
          await dialog.getByRole('button', { name: 'Remove', exact: true }).click()
          await dialog.waitFor({ state: 'detached', timeout: 30_000 })
          await person(page, did.carol).waitFor({ state: 'detached' })
          await theirs.getByText('You are no longer in this group.').waitFor({ timeout: 60_000 })
          await sound(theirs, 'group-out-narrow')
          await theirs.getByRole('button', { name: 'Forget this group' }).click()
          await theirs.getByRole('dialog').getByRole('button', { name: 'Forget it' }).click()
          await theirs.getByText('You are in none.').waitFor({ timeout: 30_000 })
        },
        PHONE,
      )
      await page.getByRole('button', { name: 'Add something' }).click()
      await page.getByLabel('Title').fill('Among us')
      await page.getByRole('button', { name: 'Add', exact: true }).click()
      await thing(page, 'Among us').waitFor()
      await thing(page, 'Among us').getByRole('button').click()
      await thing(page, 'Among us').getByRole('button', { name: /Take it out/ }).click()
      await page.getByRole('dialog').getByText('It goes for everybody here.').waitFor()
      await page.getByRole('dialog').getByRole('button', { name: 'Take it out' }).click()
      await thing(page, 'Among us').waitFor({ state: 'detached' })
    })
  })

  it('lets go of whoever likes, but not of the only admin of others', async () => {
    await call(bob, '/groups/invite', { group, to: did.carol, as: 'member' })
    await inWindow(alice, `/groups/${group}`, async ({ page }) => {
      await page.getByRole('button', { name: 'Leave this group' }).click()
      const dialog = page.getByRole('dialog', { name: 'Leave this group?' })
      await dialog.getByText('What you wrote stays with the others.').waitFor()
      await sound(page, 'group-leave')
      await dialog.getByRole('button', { name: 'Leave', exact: true }).click()
      await page.getByText('You are in none.').waitFor({ timeout: 60_000 })
    })
    await inWindow(bob, `/groups/${group}`, async ({ page }) => {
      await person(page, did.bob).waitFor()
      await person(page, did.alice).waitFor({ state: 'detached', timeout: 30_000 })
      await thing(page, 'The lake in June').waitFor()
      await page.getByRole('button', { name: 'Leave this group' }).click()
      const dialog = page.getByRole('dialog', { name: 'Leave this group?' })
      const refused = page.getByRole('dialog', { name: 'You are the only admin' })
      await refused.getByText('Somebody has to be able to invite people').waitFor()
      expect(await refused.getByRole('button', { name: 'Leave' }).count()).toBe(0)
      await sound(page, 'group-last-admin')
      await refused.getByRole('button', { name: 'Stay' }).click()
      await expect(call(bob, '/groups/leave', { group })).rejects.toThrow(/only admin of the group/)
      // without the guest who is still to come, he is alone and may go
      await person(page, did.carol).getByRole('button', { name: /Take back/ }).click()
      await page.getByRole('dialog').getByText('The invitation opens nothing any more.').waitFor()
      await page.getByRole('dialog').getByRole('button', { name: 'Take it back' }).click()
      await person(page, did.carol).waitFor({ state: 'detached', timeout: 30_000 })
      await page.getByRole('button', { name: 'Leave this group' }).click()
      await dialog.getByText('You are the only one here').waitFor()
      await dialog.getByRole('button', { name: 'Leave', exact: true }).click()
      await page.getByText('You are in none.').waitFor({ timeout: 60_000 })
    })
  })
})
