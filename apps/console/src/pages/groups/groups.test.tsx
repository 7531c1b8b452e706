import { act } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Group, GroupContents, Status } from '../../api/types'
import { StatusContext } from '../../data/status'
import { GroupPage } from './group-page'
import { GroupsPage } from './groups-page'

const NOW = Date.now()
const OWN = `did:rhizome:${'a'.repeat(50)}`
const OTHER = `did:rhizome:${'b'.repeat(50)}`
const CLUB = 'did:rhizome:club'
const club = (about: Partial<Group>): Group => ({
  group: CLUB,
  name: 'The <club>',
  role: 'admin',
  members: [
    { did: OWN, role: 'admin', invited: false, since_ms: NOW - 86_400_000 },
    { did: OTHER, role: 'member', invited: true, since_ms: NOW - 120_000 },
  ],
  ...about,
})

let root: Root
let box: HTMLElement
let groups: Group[]
let inside: GroupContents
let asked: [string, unknown][]
let refusal: string | null

beforeEach(() => {
  vi.useFakeTimers({ now: NOW })
  groups = []
  inside = { entities: [], more: false }
  asked = []
  refusal = null
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  vi.stubGlobal('fetch', async (path: string, init?: RequestInit) => {
    if (init?.method === 'POST') asked.push([path, init.body instanceof File ? init.body.name : JSON.parse(String(init.body))])
    const say = (what: unknown) => new Response(JSON.stringify(what))
    if (refusal !== null && init?.method === 'POST') return new Response(JSON.stringify({ error: { code: 'refused', message: refusal } }), { status: 502 })
    if (path === '/api/1/groups' && init?.method === 'POST') return say({ ...club({}), sent: true })
    if (path === '/api/1/groups') return say({ groups })
    if (path.startsWith('/api/1/groups/contents')) return say(inside)
    if (path === '/api/1/groups/invite') return say({ group: CLUB, to: OTHER, as: 'reader', invite: 'rzshare1abc', sent: false })
    if (path === '/api/1/groups/remove') return say({ ...club({}), sent: false })
    if (path === '/api/1/peers') return say({ peers: [], undelivered: 0 })
    if (path === '/api/1/accept') return say({ of: CLUB, view: CLUB, group: 'The <club>', where: '', can: null, until_ms: null, entities: 1, pending: 0, refused: [] })
    if (path === '/api/1/blob') return say({ blob: 'bafkfile', bytes: 3 })
    if (path.startsWith('/api/1/tx')) return say({ commit: 'c', entities: {} })
    return new Response('{}', { status: 404 })
  })
  window.history.replaceState(null, '', '/groups')
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
async function open(page: React.ReactNode) {
  const status = { did: OWN, blob_token: 't' } as Status
  act(() => root.render(<StatusContext value={status}>{page}</StatusContext>))
  await wait()
}
const text = () => box.textContent ?? ''
const button = (name: RegExp) => [...document.querySelectorAll('button')].find((each) => name.test(each.textContent ?? ''))
const press = async (name: RegExp) => {
  act(() => button(name)?.click())
  await wait()
}
function type(label: string, value: string) {
  const found = [...document.querySelectorAll('label')].find((each) => each.textContent === label)
  const field = document.getElementById(found?.htmlFor ?? '') as HTMLInputElement | HTMLTextAreaElement
  const kind = field instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement
  act(() => {
    Object.getOwnPropertyDescriptor(kind.prototype, 'value')?.set?.call(field, value)
    field.dispatchEvent(new Event('input', { bubbles: true }))
  })
}

it('lists groups, makes one, and leads to the one that an invitation is for', async () => {
  await open(<GroupsPage />)
  expect(text()).toMatch(/You are in none/)
  type('The name of a new group', ' The <club> ')
  await press(/^Make it$/)
  expect(asked).toEqual([['/api/1/groups', { name: 'The <club>' }]])
  expect(window.location.pathname).toBe(`/groups/${CLUB}`)
  window.history.replaceState(null, '', '/groups')
  type('An invitation you got', ' rhizome accept rzshare1\nabc ')
  await press(/^Accept$/)
  expect(asked.at(-1)).toEqual(['/api/1/accept', { invite: 'rzshare1abc' }])
  expect(window.location.pathname).toBe(`/groups/${CLUB}`)
  groups = [club({}), club({ group: 'did:rhizome:old', name: 'old', role: null, members: [] })]
  await wait(3_100)
  expect(box.querySelector('[data-group] a')?.getAttribute('href')).toBe(`/groups/${CLUB}`)
  expect(text()).toMatch(/The <club>you are an adminonly you so far1 invited.*oldyou are no longer in it/)
})

it('invites, and says where the invitation is not yet', async () => {
  groups = [club({})]
  await open(<GroupPage did={CLUB} />)
  expect(text()).toMatch(/You are an admin here.*Nothing yet.*Youadmincame .*ago.*memberInvited, not seen here yet/)
  await press(/Invite somebody/)
  expect(text()).toMatch(/No peer keeps your pod/)
  type('Their DID', ` ${OTHER.slice(0, 20)}\n${OTHER.slice(20)}`)
  expect(text()).toMatch(/They are invited already/)
  expect(button(/^Invite$/)?.disabled).toBe(true)
  type('Their DID', 'did:rhizome:new')
  act(() => (document.querySelector('input[value="reader"]') as HTMLInputElement).click())
  await press(/^Invite$/)
  expect(asked).toEqual([['/api/1/groups/invite', { group: CLUB, to: 'did:rhizome:new', as: 'reader' }]])
  expect(text()).toMatch(/comes to The <club> as a reader.*It is not yet where they can get it.*rzshare1abc/)
})

it('removes, once that is confirmed, and says if nobody could be told', async () => {
  groups = [club({ members: club({}).members.map((each) => ({ ...each, invited: false })) })]
  await open(<GroupPage did={CLUB} />)
  await press(/^Remove/)
  expect(asked).toEqual([])
  expect(text()).toMatch(/What they wrote before stays/)
  act(() => (document.querySelector('dialog .danger') as HTMLButtonElement).click())
  await wait()
  expect(asked).toEqual([['/api/1/groups/remove', { group: CLUB, member: OTHER }]])
  expect(document.querySelector('dialog')?.textContent).toMatch(/could not be told yet/)
})

it('says why somebody may not go', async () => {
  groups = [club({})]
  await open(<GroupPage did={CLUB} />)
  await press(/Leave this group/)
  expect(document.querySelector('dialog')?.textContent).toMatch(/Somebody has to be able to invite people/)
  await press(/^Stay$/)
  expect(asked).toEqual([])
  groups = [club({ role: 'member', members: [{ did: OTHER, role: 'admin', invited: false, since_ms: NOW }, { did: OWN, role: 'member', invited: false, since_ms: NOW }] })]
  await wait(3_100)
  refusal = 'nobody who keeps the group could be told'
  await press(/Leave this group/)
  act(() => (document.querySelector('dialog .danger') as HTMLButtonElement).click())
  await wait()
  expect(asked).toEqual([['/api/1/groups/leave', { group: CLUB }]])
  expect(document.querySelector('dialog')?.textContent).toContain(refusal)
  expect(window.location.pathname).toBe('/groups')
})

it('shows what is in it, and changes it in place', async () => {
  groups = [club({})]
  inside = {
    entities: [
      { id: 'rz:one', state: { title: 'The lake', year: 2026 }, by: OWN, at_ms: NOW },
      { id: 'rz:two', state: { 'x/y': { time: 0 } }, by: null, at_ms: null },
    ],
    more: true,
  }
  await open(<GroupPage did={CLUB} />)
  expect(text()).toMatch(/What is in it 2\+.*The lakeby you.*rz:two/)
  await press(/^The lake$/)
  type('year', 'soon')
  expect(text()).toMatch(/This is a number/)
  expect(button(/^Save$/)?.disabled).toBe(true)
  type('year', '2027')
  // somebody else is faster
  inside = { ...inside, entities: inside.entities.map((each) => (each.id === 'rz:one' ? { ...each, state: { title: 'The lake', year: 2030 } } : each)) }
  await wait(2_100)
  expect(text()).toMatch(/now it is “2030”/)
  await press(/^Keep mine$/)
  await press(/^Save$/)
  expect(asked).toEqual([[`/api/1/tx?pod=${encodeURIComponent(CLUB)}`, [{ assert: { entity: 'rz:one', attribute: 'year', value: 2027 } }]]])
})

it('adds something', async () => {
  groups = [club({})]
  await open(<GroupPage did={CLUB} />)
  await press(/Add something/)
  type('Title', 'The hut')
  await press(/^Add$/)
  expect(asked).toEqual([[`/api/1/tx?pod=${encodeURIComponent(CLUB)}`, [{ assert: { entity: '_:new', attribute: 'title', value: 'The hut' } }]]])
})

it('offers nothing to a reader, to a guest who was not seen yet, and to who is out', async () => {
  const own = { did: OWN, role: 'reader' as const, invited: false, since_ms: NOW }
  inside = { entities: [{ id: 'rz:one', state: { title: 'The lake' }, by: null, at_ms: null }], more: false }
  const none = () => expect(button(/Add something|Invite somebody|^Remove|^Save/)).toBeUndefined()
  groups = [club({ role: 'reader', members: [own] })]
  await open(<GroupPage did={CLUB} />)
  await press(/^The lake$/)
  none()
  groups = [club({ role: 'admin', members: [{ ...own, role: 'admin', invited: true }] })]
  await wait(3_100)
  expect(text()).toMatch(/You can read it. To write, who invited you has to see that you came/)
  none()
  groups = [club({ role: null, members: [] })]
  await wait(3_100)
  expect(text()).toMatch(/You are no longer in this group.*Forget this group/)
  none()
})
