import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { overflow, PHONE, shotWhole, startBrowser, violations, type Window, within } from './browser'
import { type CloudPeer, type Pod, startCloudPeer, startPod } from './pod'

/** Changes that are thought about beside the data: of one's own, and of what somebody shares. */

let browser: Browser
let alice: Pod
let bob: Pod
let cloud: CloudPeer
let did: { alice: string; bob: string }
let one = ''
let two = ''

beforeAll(async () => {
  ;[browser, alice, bob, cloud] = await Promise.all([startBrowser(), startPod(), startPod(), startCloudPeer()])
  const of = async (pod: Pod) => ((await call(pod, '/status')) as { did: string }).did
  did = { alice: await of(alice), bob: await of(bob) }
  await alice.run(['peers', 'add', cloud.address])
  const made = await call(alice, '/tx', [
    set('_:one', 'shared', true),
    set('_:one', 'title', 'Black Tusk'),
    set('_:one', 'caption', 'a rock'),
    set('_:one', 'year', 2024),
    set('_:two', 'shared', true),
    set('_:two', 'title', 'Marmot'),
  ])
  const { entities } = made as { entities: Record<string, string> }
  ;[one, two] = [entities['_:one'] ?? '', entities['_:two'] ?? '']
})

afterAll(async () => {
  await browser?.close()
  await Promise.all([alice?.stop(), bob?.stop(), cloud?.stop()])
})

const set = (entity: string, attribute: string, value: unknown) => ({ assert: { entity, attribute, value } })

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

const captions = async () => (await alice.query('[:find ?c :where [_ "caption" ?c] :order [?c]]')).flat()

it('a draft is begun, says something, and shows where the data changed since', async () => {
  await inWindow(
    alice,
    `/data/${one}`,
    async ({ page }) => {
      await page.getByRole('link', { name: 'Change it in a draft' }).click()
      await page.getByText('Changes that you think about').waitFor()
      expect(await violations(page)).toEqual([])
      await page.getByRole('button', { name: 'Begin a draft' }).click()
      await page.getByLabel('Name').fill('Better captions')
      await page.getByRole('button', { name: 'Begin', exact: true }).click()
      const card = page.locator('[data-draft="Better captions"]')
      const form = card.getByRole('form', { name: 'Say something in Better captions' })
      const say = async (of: string, what: string, is: string) => {
        await form.getByLabel('Of').fill(of)
        await form.getByLabel('What').fill(what)
        await form.getByLabel('Is', { exact: true }).fill(is)
        await form.getByRole('button', { name: 'Say it in the draft' }).click()
      }
      expect(await form.getByLabel('Of').inputValue()).toBe(one)
      await say(one, 'caption', 'the tooth of the thunderbird')
      await card.locator('ins', { hasText: 'the tooth' }).waitFor()
      await card.locator('del', { hasText: 'a rock' }).waitFor()
      // a number stays one
      await say(one, 'year', 'long ago')
      await card.getByText('That is a number: 2024 now.').waitFor()
      expect(await violations(page)).toEqual([])
      await say(one, 'year', '2025')
      await card.locator('ins', { hasText: '2025' }).waitFor()
      await say(two, 'caption', 'our cook')
      await card.getByText('3 changes to 2 entities').waitFor()
      await form.getByLabel('Of').fill('rz:nonsense')
      await card.getByText('The id of an entity').waitFor()
      expect(await violations(page)).toEqual([])
      await say('', 'title', 'The lost one')
      await card.locator('.difference', { hasText: 'The lost one' }).getByText('new', { exact: true }).waitFor()
      // nobody else sees it
      expect(await captions()).toEqual(['a rock'])
      await call(alice, '/tx', [set(one, 'caption', 'a very old rock')])
      await card.getByText('Changed since you wrote it here: 1 attribute.').waitFor()
      await card.getByText('it was a rock when you wrote this').waitFor()
      await shotWhole(page, 'draft-narrow')
      expect(await overflow(page)).toBe(0)
      expect(await violations(page)).toEqual([])
    },
    { ...PHONE, colorScheme: 'dark' },
  )
})

it('it is adopted, one entity first, made undone, and dropped', async () => {
  await inWindow(alice, '/sharing', async ({ page }) => {
    const card = page.locator('[data-draft="Better captions"]')
    await card.getByRole('button', { name: 'Better captions' }).click()
    await card.locator('.difference', { hasText: 'our cook' }).getByRole('button', { name: 'Adopt only this' }).click()
    await card.getByText('adopted in part').waitFor()
    expect(await captions()).toEqual(['a very old rock', 'our cook'])
    await shotWhole(page, 'draft-in-part')
    expect(await violations(page)).toEqual([])
    await card.getByRole('button', { name: 'Propose…' }).click()
    await card.getByText('Nobody does.').waitFor()
    await card.getByRole('button', { name: 'Adopt the rest' }).click()
    await page.getByText('Adopted or dropped').click()
    expect(await captions()).toEqual(['our cook', 'the tooth of the thunderbird'])
    await page.getByText('adopted', { exact: true }).waitFor()
    expect(await violations(page)).toEqual([])
    await page.getByRole('button', { name: 'Undo the adoption' }).click()
    await card.getByText('4 changes to 3 entities').waitFor()
    expect(await captions()).toEqual(['a very old rock'])
    await card.getByRole('button', { name: 'Drop' }).click()
    await page.getByText('Adopted or dropped').waitFor()
    if (!(await page.getByText('dropped', { exact: true }).isVisible())) await page.getByText('Adopted or dropped').click()
    await page.getByRole('button', { name: 'Erase for good' }).click()
    await card.waitFor({ state: 'detached' })
  })
  expect(await call(alice, '/drafts')).toEqual({ drafts: [] })
})

it('one of what somebody shares is proposed to them', async () => {
  const given = (await call(alice, '/grants', { where: 'shared: true', can: 'propose', to: did.bob })) as { invite: string }
  await call(bob, '/accept', { invite: given.invite })
  await inWindow(bob, `/sharing?about=${two}`, async ({ page }) => {
    await page.getByRole('button', { name: 'Begin a draft' }).click()
    await page.getByLabel('Name').fill('For Alice')
    await page.getByLabel('Of', { exact: true }).selectOption(did.alice)
    await page.getByRole('button', { name: 'Begin', exact: true }).click()
    const card = page.locator('[data-draft="For Alice"]')
    await card.getByLabel('What').fill('title')
    await card.getByLabel('Is', { exact: true }).fill('Marmota caligata')
    await card.getByRole('button', { name: 'Say it in the draft' }).click()
    await card.locator('del', { hasText: 'Marmot' }).waitFor()
    await card.locator('ins', { hasText: 'Marmota caligata' }).waitFor()
    expect(await card.getByRole('button', { name: /Adopt/ }).count()).toBe(0)
    await card.getByRole('button', { name: 'Propose…' }).click()
    await card.getByLabel('What you say about it').fill('Its name.')
    await shotWhole(page, 'draft-propose')
    expect(await violations(page)).toEqual([])
    await card.getByRole('button', { name: 'Propose', exact: true }).click()
    await card.getByText('proposed', { exact: true }).waitFor()
  })
  for (const pod of [bob, alice]) await call(pod, '/sync', {})
  await inWindow(alice, '/sharing', async ({ page }) => {
    const asked = page.locator('[data-proposal]', { hasText: 'Its name.' })
    await asked.locator('ins', { hasText: 'Marmota caligata' }).waitFor()
    await asked.getByRole('button', { name: 'Adopt', exact: true }).click()
    await page.getByText('None are open.').waitFor()
  })
  expect((await alice.query(`[:find ?t :where ["${two}" "title" ?t]]`)).flat()).toEqual(['Marmota caligata'])
})
