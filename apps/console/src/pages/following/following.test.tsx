import { act } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Followed, TimelinePost } from '../../api/types'
import { FollowingPage } from './following-page'

const NOW = Date.now()
const DID = `did:rhizome:${'a'.repeat(50)}`
const followed = (about: Partial<Followed>): Followed => ({
  of: DID,
  view: 'did:rhizome:v',
  where: 'social/audience: public',
  ended: false,
  entities: 3,
  missing: 0,
  newest_ms: NOW - 60_000,
  places: [],
  ...about,
})
const post = (about: Partial<TimelinePost>): TimelinePost => ({
  entity: 'rz:p',
  of: DID,
  name: null,
  at_ms: NOW - 120_000,
  text: 'hello',
  summary: null,
  url: null,
  replies: 0,
  comments: [],
  ...about,
})

let root: Root
let box: HTMLElement
let all: Followed[]
let newest: TimelinePost[]
let asked: [string, unknown][]
let refusal: string | null

beforeEach(() => {
  vi.useFakeTimers({ now: NOW })
  all = []
  newest = []
  asked = []
  refusal = null
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  vi.stubGlobal('fetch', async (path: string, init?: RequestInit) => {
    const body: unknown = init?.body ? JSON.parse(String(init.body)) : null
    if (body !== null) asked.push([path, body])
    if (path === '/api/1/following') return new Response(JSON.stringify({ following: all }))
    if (path === '/api/1/timeline') return new Response(JSON.stringify({ posts: newest }))
    if (path === '/api/1/follow') {
      if (refusal) return new Response(JSON.stringify({ error: { code: 'request', message: refusal } }), { status: 400 })
      all = [followed({})]
      return new Response(JSON.stringify({ following: all }))
    }
    if (path === '/api/1/unfollow') {
      all = []
      return new Response(JSON.stringify({ unfollowed: DID, views: 1 }))
    }
    return new Response('{}', { status: 404 })
  })
  box = document.createElement('div')
  document.body.append(box)
  root = createRoot(box)
})
afterEach(() => {
  act(() => root.unmount())
  box.remove()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const wait = (ms = 1) => act(() => vi.advanceTimersByTimeAsync(ms))
async function open() {
  act(() => root.render(<FollowingPage />))
  await wait()
}
const text = () => box.textContent ?? ''
const button = (name: RegExp) => [...document.querySelectorAll('button')].find((each) => name.test(each.textContent ?? ''))
function type(id: string, value: string) {
  const field = document.getElementById(id) as HTMLInputElement
  act(() => {
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set?.call(field, value)
    field.dispatchEvent(new Event('input', { bubbles: true }))
  })
}

it('says what it takes to follow somebody, and follows', async () => {
  await open()
  expect(text()).toMatch(/Nobody yet. To follow somebody you need their DID/)
  expect(button(/^Follow$/)?.disabled).toBe(true)
  refusal = 'none of the 1 peers asked keeps anything public of them'
  type('whom', `rhizome follow ${DID}`)
  act(() => button(/^Follow$/)?.click())
  await wait()
  expect(text()).toContain(refusal)
  refusal = null
  type('place', ' rhizome:1:xyz ')
  act(() => button(/^Follow$/)?.click())
  await wait()
  expect(asked.at(-1)).toEqual(['/api/1/follow', { did: DID, at: 'rhizome:1:xyz' }])
  expect(text()).toMatch(/You follow them: 3 entities came/)
  expect(box.querySelectorAll('[data-followed]')).toHaveLength(1)
})

it('shows who says what, with comments under it, and covers what is summed up', async () => {
  all = [followed({}), followed({ view: 'did:rhizome:w', ended: true, missing: 2 })]
  newest = [
    post({
      name: 'Ann',
      text: 'one\nhttps://example.org/',
      replies: 3,
      comments: [post({ entity: 'rz:c', text: 'nice' }), post({ entity: 'rz:d', text: 'indeed' })],
      url: 'javascript:alert(1)',
    }),
    post({ entity: 'rz:q', summary: 'the end of the film', text: 'they live', url: 'https://example.org/2' }),
  ]
  await open()
  expect(text()).toMatch(/You follow 1/)
  expect(text()).toMatch(/6 entities here.*2 commits on the way, or withheld/)
  const [first, second] = [...box.querySelectorAll('.feed > li > article')]
  expect(first?.textContent).toMatch(/^Ann.*one.*nice.*indeed.*and 1 more comment$/s)
  expect(first?.querySelector('a')?.getAttribute('href')).toBe('https://example.org/')
  expect([...(first?.querySelectorAll('a') ?? [])].some((each) => each.href.startsWith('javascript'))).toBe(false)
  expect(second?.querySelector('details')?.open).toBe(false)
  expect(second?.querySelector('summary')?.textContent).toBe('the end of the film')
})

it('follows no longer, once that is confirmed', async () => {
  all = [followed({})]
  await open()
  act(() => button(/^Unfollow/)?.click())
  expect(asked).toEqual([])
  act(() => (document.querySelector('dialog .danger') as HTMLButtonElement).click())
  await wait()
  expect(asked).toEqual([['/api/1/unfollow', { did: DID }]])
  expect(text()).toMatch(/Nobody yet/)
})
