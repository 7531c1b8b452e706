import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { overflow, PHONE, shotWhole, startBrowser, violations, type Window, within } from './browser'
import { type CloudPeer, type Pod, startCloudPeer, startPod } from './pod'

/** Alice makes posts public; Bob and Carol follow her by way of a peer, and Bob's comment is seen by who follows Bob too. */

let browser: Browser
let alice: Pod
let bob: Pod
let carol: Pod
let cloud: CloudPeer
let did: { alice: string; bob: string }
let lake = ''

beforeAll(async () => {
  ;[browser, alice, bob, carol, cloud] = await Promise.all([startBrowser(), startPod(), startPod(), startPod(), startCloudPeer()])
  const of = async (pod: Pod) => ((await call(pod, '/status')) as { did: string }).did
  did = { alice: await of(alice), bob: await of(bob) }
  await Promise.all([alice, bob].map((pod) => pod.run(['peers', 'add', cloud.address])))
  lake = await post(alice, 'The lake is frozen over. We walked to the other side.', '2026-01-10T09:00:00Z')
  await post(alice, 'Tea, and the stove.', '2026-01-09T18:00:00Z')
  await call(alice, '/tx', [set('_:x', 'social/type', 'post'), set('_:x', 'social/text', 'for nobody'), set('_:x', 'social/audience', 'direct')])
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

const set = (entity: string, attribute: string, value: unknown) => ({ assert: { entity, attribute, value } })

async function post(pod: Pod, text: string, at: string, answers?: string): Promise<string> {
  const made = await call(pod, '/tx', [
    set('_:p', 'social/type', answers === undefined ? 'post' : 'reply'),
    set('_:p', 'social/audience', 'public'),
    set('_:p', 'social/text', text),
    set('_:p', 'social/created', { time: at }),
    ...(answers === undefined ? [] : [set('_:p', 'social/reply-to', { ref: answers })]),
  ])
  return (made as { entities: Record<string, string> }).entities['_:p'] ?? ''
}

const inWindow = (pod: Pod, path: string, work: (window: Window) => Promise<void>, options = {}) => within(browser, pod.page(path), work, options)

describe('following', () => {
  it('begins with what somebody makes public on the page of sharing', async () => {
    await inWindow(alice, '/sharing', async ({ page }) => {
      await page.getByRole('button', { name: 'Share something' }).click()
      const form = page.getByRole('form', { name: 'Share something' })
      await form.getByLabel('What', { exact: true }).fill('social/audience: public')
      await form.getByText('2 entities now').waitFor()
      await form.getByRole('radio', { name: /Anyone/ }).check()
      expect(await form.getByLabel('Their DID').count()).toBe(0)
      expect(await violations(page)).toEqual([])
      await shotWhole(page, 'public-form')
      await form.getByRole('button', { name: 'Make it public' }).click()
      await page.getByRole('heading', { name: 'It is public' }).waitFor({ timeout: 30_000 })
      expect(await page.getByText('It is not yet where they can get it.').count()).toBe(0)
      await page.getByText('Public', { exact: true }).waitFor()
      await shotWhole(page, 'public-made')
      expect(await violations(page)).toEqual([])
      await page.getByRole('button', { name: 'Done' }).click()
    })
  })

  it('takes a DID, shows the newest, and is told at once what is new', async () => {
    await inWindow(bob, '/', async ({ page }) => {
      await page.getByText('Live', { exact: true }).waitFor()
      await page.keyboard.press('g')
      await page.keyboard.press('f')
      await page.getByText('Nobody yet.').waitFor()
      await shotWhole(page, 'following-empty')
      expect(await violations(page)).toEqual([])
      await page.getByLabel('Their DID').fill(did.alice)
      await page.getByRole('button', { name: 'Follow', exact: true }).click()
      await page.getByText('You follow them: 2 entities came.').waitFor({ timeout: 30_000 })
      const posts = page.locator('.feed > li > article')
      await posts.nth(1).waitFor()
      expect(await posts.allInnerTexts()).toEqual([expect.stringContaining('The lake is frozen over'), expect.stringContaining('Tea, and the stove')])
      expect(await page.getByText('for nobody').count()).toBe(0)
      // nobody asks: it comes
      await post(alice, 'Snow all night.', '2026-01-11T07:00:00Z')
      await page.getByText('Snow all night.').waitFor({ timeout: 30_000 })
      // a comment is Bob's own, in his own pod
      await post(bob, 'Is it thick enough?', '2026-01-11T08:00:00Z', lake)
      await call(bob, '/grants', { where: 'social/audience: public', can: 'read', to: 'anyone' })
      await posts.filter({ hasText: 'The lake is frozen over' }).getByText('Is it thick enough?').waitFor({ timeout: 30_000 })
      expect(await overflow(page)).toBe(0)
      expect(await violations(page)).toEqual([])
      await shotWhole(page, 'following')
    })
  })

  it('shows comments of those who are followed, and of nobody else, on a phone too', async () => {
    await inWindow(
      carol,
      '/following',
      async ({ page }) => {
        const follow = async (whom: string) => {
          await page.getByLabel('Their DID').fill(whom)
          await page.getByLabel(/A peer that keeps their pod/).fill(cloud.address)
          await page.getByRole('button', { name: 'Follow', exact: true }).click()
          await page.getByText(/You follow them/).waitFor({ timeout: 30_000 })
        }
        await page.getByLabel('Their DID').fill(did.alice)
        await page.getByRole('button', { name: 'Follow', exact: true }).click()
        expect(await page.getByRole('alert').innerText()).toMatch(/no peer to ask/)
        await follow(did.alice)
        await page.getByText('The lake is frozen over').waitFor()
        expect(await page.getByText('Is it thick enough?').count()).toBe(0)
        await follow(did.bob)
        await page.getByText('Is it thick enough?').waitFor({ timeout: 30_000 })
        expect(await overflow(page)).toBe(0)
        expect(await violations(page)).toEqual([])
        await shotWhole(page, 'following-narrow')
        await page.locator(`[data-followed="${did.alice}"]`).getByRole('button', { name: /Unfollow/ }).click()
        await page.getByRole('dialog').getByRole('button', { name: 'Unfollow' }).click()
        await page.getByText('The lake is frozen over').waitFor({ state: 'detached' })
        expect(await page.locator('[data-followed]').count()).toBe(1)
      },
      PHONE,
    )
  })
})
