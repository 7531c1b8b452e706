import { act } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Activity, AppGrant, Apps } from '../../api/types'
import { AppsPage } from './apps-page'

const NOW = Date.now()
const app = (about: Partial<AppGrant>): AppGrant => ({
  id: 'a1',
  client_id: 'did:key:z6Mk',
  name: 'Album captions',
  origin: 'http://localhost:5173',
  scopes: [{ where: 'is-photo: true && photo-album: "garibaldi"', can: 'write' }],
  given_ms: NOW - 3_600_000,
  until_ms: NOW + 86_400_000,
  revoked_ms: null,
  last_ms: NOW - 120_000,
  online: true,
  quota: { changes: [12, 10_000], bytes: [1_200_000, 100_000_000], busy_ms: [60_000, 60_000] },
  ...about,
})

let root: Root
let box: HTMLElement
let apps: Apps
let activity: Activity[]
let revoked: unknown[]

beforeEach(() => {
  vi.useFakeTimers({ now: NOW })
  apps = { apps: [], waiting: [] }
  activity = []
  revoked = []
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  vi.stubGlobal('fetch', async (path: string, init?: RequestInit) => {
    if (path === '/api/1/apps') return new Response(JSON.stringify(apps))
    if (path === '/api/1/apps/a1/activity') return new Response(JSON.stringify({ activity }))
    if (path === '/api/1/apps/revoke') {
      revoked.push(JSON.parse(String(init?.body)))
      apps = { ...apps, apps: apps.apps.map((each) => ({ ...each, revoked_ms: NOW, online: false })) }
      return new Response('{}')
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
async function open(now: Apps) {
  apps = now
  act(() => root.render(<AppsPage />))
  await wait()
}
const text = () => box.textContent ?? ''

it('says that no app sees anything', async () => {
  await open({ apps: [], waiting: [] })
  expect(text()).toMatch(/No app sees anything of yours/)
})

it('shows what an app may do, how much it used, and ends it at one click', async () => {
  await open({ apps: [app({})], waiting: [] })
  expect(text()).toMatch(/Album captions.*Online.*http:\/\/localhost:5173/)
  expect(text()).toMatch(/see and change: Everything whose is-photo is true and photo-album is garibaldi/)
  expect(text()).toMatch(/changes today12 of 10,000.*1\.2 MB of 100 MB.*60 s of 60 s/)
  expect(box.querySelector('.quota .full dt')?.textContent).toBe('computing this minute')
  const button = [...box.querySelectorAll('button')].find((each) => each.textContent?.startsWith('Take back'))
  act(() => button?.click())
  await wait()
  expect(revoked).toEqual([{ id: 'a1' }])
  expect(text()).toMatch(/No app sees anything of yours/)
  expect(box.querySelector('.ended')?.textContent).toMatch(/Taken back or over 1.*ended/)
  expect(box.querySelector('.ended button')).toBe(null)
})

it('folds what is over, and shows what waits', async () => {
  await open({
    apps: [app({ id: 'a2', until_ms: NOW - 1_000, online: false, last_ms: null })],
    waiting: [{ request: 'r', name: 'a “program”', user_code: 'ABCD-EFGH', asked_ms: NOW - 5_000 }],
  })
  expect(box.querySelector('.ended')?.textContent).toMatch(/over since.*never came/)
  expect(box.querySelector('[data-waiting]')?.textContent).toMatch(/a ’program’.*shows ABCD-EFGH/)
  expect(box.querySelector('[data-waiting] a')?.getAttribute('href')).toBe('/authorize?user_code=ABCD-EFGH')
})

it('shows what an app did only when that is opened, and goes on looking', async () => {
  await open({ apps: [app({})], waiting: [] })
  expect(text()).not.toMatch(/was refused/)
  activity = [{ at_ms: NOW - 1_000, kind: 'refused', count: 2, note: '/grants' }]
  const details = box.querySelector<HTMLDetailsElement>('.activity')
  act(() => {
    if (details) details.open = true
    details?.dispatchEvent(new Event('toggle'))
  })
  await wait()
  expect(details?.textContent).toMatch(/was refused something 2 times: \/grants/)
  activity = [{ at_ms: NOW, kind: 'write', count: 1, note: null }, ...activity]
  await wait(3_100)
  expect(details?.textContent).toMatch(/wrote once/)
})
