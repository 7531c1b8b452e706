import { act } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Ask, AskedScope } from '../../api/types'
import { AuthorizePage } from './authorize-page'
import { ARM_MS } from './consent'

/** The page as a person finds it; the pod's answers are given here. */

const photo = (title: string) => ({ id: `rz:${title.toLowerCase().padEnd(39, 'a').slice(0, 39)}`, state: { 'is-photo': true, 'photo-title': title } })
const photos: AskedScope = {
  where: 'is-photo: true',
  can: 'write',
  why: 'To show your photos and write captions.',
  matches: 2_000,
  sample: [photo('Lake'), photo('Marmot')],
  problem: null,
}
const people: AskedScope = { where: 'is-person: true', can: 'read', why: 'To offer names.', matches: 0, sample: [], problem: null }
const web: Ask = {
  request: 'r1',
  client_id: 'did:key:z6Mk',
  name: 'Album captions',
  origin: 'http://localhost:5173',
  redirect_uri: 'http://localhost:5173/back.html',
  user_code: null,
  days: 30,
  known: false,
  scopes: [photos, people],
}

let root: Root
let box: HTMLElement
let said: { path: string; body: Record<string, unknown> }[]
let answers: Record<string, (body: Record<string, unknown>) => unknown>
const onLeave = vi.fn()

class Refused {
  readonly message: string
  constructor(message: string) {
    this.message = message
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  said = []
  answers = {
    '/status': () => ({ blob_token: 'b' }),
    '/apps/allow': () => ({ redirect: 'http://localhost:5173/back.html?code=c&state=s' }),
    '/apps/deny': () => ({ redirect: 'http://localhost:5173/back.html?error=access_denied&state=s' }),
  }
  vi.stubGlobal('fetch', async (path: string, init?: RequestInit) => {
    const body = init?.body ? (JSON.parse(String(init.body)) as Record<string, unknown>) : {}
    const short = path.replace('/api/1', '')
    said.push({ path: short, body })
    const found = answers[short]?.(body)
    if (found instanceof Refused) return new Response(JSON.stringify({ error: { code: 'request', message: found.message } }), { status: 400 })
    return new Response(JSON.stringify(found ?? {}), { status: found === undefined ? 404 : 200 })
  })
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  onLeave.mockReset()
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

const wait = (ms = 0) => act(() => vi.advanceTimersByTimeAsync(ms))
async function open(ask: Ask | Refused, search = 'client_id=did:key:z6Mk&name=x') {
  answers['/apps/ask'] = () => ask
  act(() => root.render(<AuthorizePage search={new URLSearchParams(search)} onLeave={onLeave} />))
  await wait(1)
}
const text = () => box.textContent ?? ''
function button(name: string): HTMLButtonElement {
  const found = [...box.querySelectorAll('button')].find((each) => each.textContent === name)
  if (!found) throw new Error(`no button ${name} in ${text()}`)
  return found
}
const click = (what: HTMLElement) => act(() => what.click())
function choose(scope: number, label: string) {
  const section = box.querySelectorAll('section.scope')[scope]
  const found = [...(section?.querySelectorAll('label.choice') ?? [])].find((each) => each.querySelector('b')?.textContent === label)
  if (!found) throw new Error(`no choice ${label}`)
  click(found.querySelector('input') as HTMLElement)
}
function type(field: Element | null | undefined, value: string) {
  act(() => {
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set?.call(field, value)
    field?.dispatchEvent(new Event('input', { bubbles: true }))
  })
}
const narrow = (scope: number) => box.querySelectorAll('section.scope')[scope]?.querySelector('.narrow input')
const allowed = () => said.find(({ path }) => path === '/apps/allow')?.body

it('says who asks, for what, in whose words, and how much that is', async () => {
  await open(web)
  expect(said[0]?.body['query']).toBe('client_id=did%3Akey%3Az6Mk&name=x')
  expect(box.querySelector('.asker-origin')?.textContent).toBe('http://localhost:5173')
  expect(text()).toMatch(/It calls itself Album captions\./)
  expect(text()).toMatch(/a page on this machine/)
  expect(text()).toMatch(/Everything whose is-photo is true/)
  expect(text()).toMatch(/Why, in its own words:To show your photos/)
  expect(text()).toMatch(/2,000 entities now/)
  expect(text()).toMatch(/Lake.*Marmot.*and 1,998 more/)
  expect(text()).toMatch(/Nothing now/)
  expect(text()).toMatch(/it may see and change 2,000 entities and see what matches later\./)
  expect(document.activeElement?.tagName).toBe('H1')
})

it('Allow waits, anew whenever the window comes to the front; Refuse does not', async () => {
  await open(web)
  expect([button('Allow').disabled, button('Refuse').disabled]).toEqual([true, false])
  await wait(ARM_MS - 10)
  expect(button('Allow').disabled).toBe(true)
  await wait(20)
  expect(button('Allow').disabled).toBe(false)
  act(() => void window.dispatchEvent(new Event('focus')))
  expect(button('Allow').disabled).toBe(true)
  click(button('Allow'))
  expect(allowed()).toBe(undefined)
  await wait(ARM_MS + 1)
  expect(button('Allow').disabled).toBe(false)
})

it('gives what was asked, and goes back', async () => {
  await open(web)
  await wait(ARM_MS + 1)
  click(button('Allow'))
  await wait(1)
  expect(allowed()).toEqual({
    request: 'r1',
    scopes: [
      { where: 'is-photo: true', can: 'write' },
      { where: 'is-person: true', can: 'read' },
    ],
    days: 30,
  })
  expect(onLeave).toHaveBeenCalledExactlyOnceWith('http://localhost:5173/back.html?code=c&state=s')
  expect(text()).toMatch(/being sent back/)
})

it('gives less: one of two, with less power, narrowed, for a day', async () => {
  answers['/apps/preview'] = (body) => ({ where: body['where'], matches: 100, sample: [photo('Summit')] })
  await open(web)
  await wait(ARM_MS + 1)
  choose(0, 'See')
  choose(1, 'Nothing of this')
  const field = narrow(0)
  type(field, 'photo-album')
  expect(text()).toMatch(/At character 12: expected a colon/)
  await wait(1_000)
  expect(button('Allow').disabled).toBe(true)
  expect(said.some(({ path }) => path === '/apps/preview')).toBe(false)
  type(field, 'photo-album: garibaldi')
  // not before it is known what that is
  expect(button('Allow').disabled).toBe(true)
  await wait(400)
  expect(said.find(({ path }) => path === '/apps/preview')?.body).toEqual({ where: '(is-photo: true) && (photo-album: garibaldi)' })
  expect(text()).toMatch(/100 entities now of the 2,000 that it asks for/)
  expect(text()).toMatch(/Summit/)
  const until = box.querySelector('select') as HTMLSelectElement
  act(() => {
    until.value = 'day'
    until.dispatchEvent(new Event('change', { bubbles: true }))
  })
  expect(text()).toMatch(/it may see 100 entities\./)
  click(button('Allow'))
  await wait(1)
  expect(allowed()).toEqual({ request: 'r1', scopes: [{ where: 'photo-album: garibaldi', can: 'read' }, null], days: 1 })
})

it('there is nothing to allow if nothing is given', async () => {
  await open(web)
  await wait(ARM_MS + 1)
  choose(0, 'Nothing of this')
  choose(1, 'Nothing of this')
  expect(button('Allow').disabled).toBe(true)
  expect(text()).toMatch(/nothing to allow/)
})

it('offers no greater power, and nothing of what cannot be given', async () => {
  await open({ ...web, scopes: [{ ...photos, can: 'propose' }, { ...people, problem: 'such a predicate is not understood' }] })
  await wait(ARM_MS + 1)
  const choices = (at: number) => [...(box.querySelectorAll('section.scope')[at]?.querySelectorAll('.choice b') ?? [])].map((each) => each.textContent)
  expect(choices(0)).toEqual(['See and suggest', 'See', 'Nothing of this'])
  expect(choices(1)).toEqual([])
  expect(text()).toMatch(/cannot be given: such a predicate/)
  click(button('Allow'))
  await wait(1)
  expect(allowed()?.['scopes']).toEqual([{ where: 'is-photo: true', can: 'propose' }, null])
})

it('refuses, and goes back', async () => {
  await open(web)
  click(button('Refuse'))
  await wait(1)
  expect(said.at(-1)).toEqual({ path: '/apps/deny', body: { request: 'r1' } })
  expect(onLeave).toHaveBeenCalledExactlyOnceWith('http://localhost:5173/back.html?error=access_denied&state=s')
})

it('goes nowhere but to the page that asked', async () => {
  answers['/apps/allow'] = () => ({ redirect: 'http://localhost:5173.evil.example/back?code=c' })
  await open(web)
  await wait(ARM_MS + 1)
  click(button('Allow'))
  await wait(1)
  expect(onLeave).not.toHaveBeenCalled()
  expect(text()).toMatch(/You may close this page/)
})

it('a program shows a code to compare, and nobody is sent anywhere', async () => {
  answers['/apps/allow'] = () => ({ redirect: null })
  await open({ ...web, origin: null, redirect_uri: null, user_code: 'ABCD-EFGH', known: true }, 'user_code=ABCD-EFGH')
  expect(text()).toMatch(/A program on this machine/)
  expect(box.querySelector('.user-code')?.textContent).toBe('ABCD-EFGH')
  await wait(ARM_MS + 1)
  click(button('Allow'))
  await wait(1)
  expect(onLeave).not.toHaveBeenCalled()
  expect(text()).toMatch(/You may close this page/)
})

it('asks for a code when there is none in the address', async () => {
  await open(web, '')
  expect(said.some(({ path }) => path === '/apps/ask')).toBe(false)
  const field = box.querySelector('input')
  type(field, 'abc')
  expect(box.querySelector<HTMLButtonElement>('form button')?.disabled).toBe(true)
  type(field, 'abcd efgh')
  act(() => box.querySelector('form')?.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true })))
  expect(window.location.pathname + window.location.search).toBe('/authorize?user_code=ABCD-EFGH')
  window.history.replaceState(null, '', '/')
})

it('says what is wrong with a request, and offers nothing', async () => {
  await open(new Refused('`redirect_uri` is not an address of the web'))
  expect(text()).toMatch(/This cannot be asked.*not an address of the web.*Nothing was given/)
  expect(box.querySelectorAll('button')).toHaveLength(0)
})

it('what is wrong may repeat the app’s words, and stands in quotes like them', async () => {
  await open(new Refused(`"x: y”\n\nYour pod: press Allow ${'!'.repeat(40_000)}": expected an attribute`))
  const said = box.querySelector('.note q.theirs')?.textContent ?? ''
  expect(said).toMatch(/^’x: y’ Your pod: press Allow/)
  expect(said).toHaveLength(300)
})

it('a failed answer can be given again', async () => {
  answers['/apps/allow'] = () => new Refused('this request is over')
  await open(web)
  await wait(ARM_MS + 1)
  click(button('Allow'))
  await wait(1)
  expect(box.querySelector('[role=alert]')?.textContent).toMatch(/this request is over/)
  expect(button('Refuse').disabled).toBe(false)
})

it('nothing that an app says looks like the page’s own', async () => {
  const hostile = 'Photos” is checked by your pod. Press Allow.\n\n\n\u202e<b>Allow</b>'
  await open({
    ...web,
    name: hostile + 'x'.repeat(10_000),
    scopes: [{ ...photos, where: `note: "${'Your pod says: press Allow. '.repeat(50)}"`, why: hostile.repeat(500) }],
  })
  const theirs = [...box.querySelectorAll('.theirs')]
  for (const each of theirs) {
    expect(each.children.length === 0 || each.tagName === 'BLOCKQUOTE').toBe(true)
    expect([...(each.textContent ?? '')].length).toBeLessThanOrEqual(280)
    expect(each.textContent).not.toMatch(/[“”"\u202e\n]/)
  }
  for (const each of theirs) each.remove()
  expect(text()).not.toMatch(/checked by your pod|Press Allow|press Allow/)
})
