import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { borrow, lend } from './lending'
import { forget, keep, token } from './session'

const TOKEN = 'a-token-of-some-length'
const CHANNEL = 'rhizome.token'
const yes = () => Promise.resolve(true)

/** Another tab: all it hears, and a way to say something. Tabs do not hear themselves, so here `lend` and `borrow` are tabs of their own. */
function tab() {
  const channel = new BroadcastChannel(CHANNEL)
  const heard: { ask?: string; answer?: string; token?: string }[] = []
  channel.onmessage = ({ data }) => heard.push(data as (typeof heard)[number])
  return { heard, say: (message: unknown) => channel.postMessage(message), close: () => channel.close() }
}
const settle = () => new Promise((resolve) => setTimeout(resolve, 30))

let open: (() => void)[] = []
beforeEach(() => {
  open = []
  forget()
})
afterEach(() => {
  for (const close of open) close()
  forget()
  vi.unstubAllGlobals()
})
function other() {
  const made = tab()
  open.push(made.close)
  return made
}

it('a tab with a token answers when asked, and says nothing unasked', async () => {
  const asking = other()
  open.push(lend())
  asking.say({ ask: 'without one' })
  await settle()
  expect(asking.heard).toEqual([])
  keep(TOKEN)
  await settle()
  expect(asking.heard).toEqual([])
  for (const odd of [null, 'ask', 7, {}, { ask: 5 }, { answer: 'q', token: 'x' }]) asking.say(odd)
  await settle()
  expect(asking.heard).toEqual([])
  asking.say({ ask: 'q1' })
  await settle()
  expect(asking.heard).toEqual([{ answer: 'q1', token: TOKEN }])
})

it('borrows from a tab that has one', async () => {
  const lender = other()
  const answered = borrow(1_000, yes)
  await settle()
  const [question] = lender.heard
  lender.say({ answer: 'another question', token: 'somebody-elses-token' })
  lender.say({ answer: question?.ask, token: 'short' })
  lender.say({ answer: question?.ask, token: TOKEN })
  expect(await answered).toBe(true)
  expect(token()).toBe(TOKEN)
})

it('keeps only what the pod takes, and tries each token once', async () => {
  const lender = other()
  const isGood = vi.fn((lent: string) => Promise.resolve(lent === TOKEN))
  const answered = borrow(1_000, isGood)
  await settle()
  const [question] = lender.heard
  for (const lent of ['one-that-is-long-over', 'one-that-is-long-over', TOKEN]) lender.say({ answer: question?.ask, token: lent })
  expect(await answered).toBe(true)
  expect(isGood.mock.calls.map(([lent]) => lent)).toEqual(['one-that-is-long-over', TOKEN])
  expect(token()).toBe(TOKEN)
})

it('gives up when nobody answers, and does not take what comes later', async () => {
  const lender = other()
  const answered = borrow(40, () => new Promise((resolve) => setTimeout(() => resolve(true), 80)))
  await settle()
  lender.say({ answer: lender.heard[0]?.ask, token: TOKEN })
  expect(await answered).toBe(false)
  await new Promise((resolve) => setTimeout(resolve, 120))
  expect(token()).toBe(null)
})

it('asks the pod whether a token is good', async () => {
  const lender = other()
  const fetched = vi.fn<typeof fetch>(() => Promise.resolve(new Response('{}', { status: 401 })))
  vi.stubGlobal('fetch', fetched)
  const answered = borrow(120)
  await settle()
  lender.say({ answer: lender.heard[0]?.ask, token: TOKEN })
  expect(await answered).toBe(false)
  expect(fetched.mock.calls[0]?.[0]).toBe('/api/1/status')
  expect(new Headers(fetched.mock.calls[0]?.[1]?.headers).get('authorization')).toBe(`Bearer ${TOKEN}`)
})
