import { act } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Talk } from '../../api/types'
import { TalkView } from './talk'

const DID = `did:rhizome:${'a'.repeat(50)}`
const talk = (about: Partial<Talk>): Talk => ({ comments: [], comments_left_out: 0, ...about })

let root: Root
let box: HTMLElement
let asked: unknown[]
let refusal: string | null

beforeEach(() => {
  asked = []
  refusal = null
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  vi.stubGlobal('fetch', async (path: string, init?: RequestInit) => {
    if (path !== '/api/1/proposals/comment') return new Response('{}', { status: 404 })
    asked.push(JSON.parse(String(init?.body)))
    if (refusal) return new Response(JSON.stringify({ error: { code: 'refused', message: refusal } }), { status: 400 })
    return new Response(JSON.stringify({ id: 'b1', ...talk({}) }))
  })
  box = document.createElement('div')
  document.body.append(box)
  root = createRoot(box)
})
afterEach(() => {
  act(() => root.unmount())
  box.remove()
  vi.unstubAllGlobals()
})

const show = (about: Talk, onSaid: () => void = () => {}, mute: string | null = null) =>
  act(() => root.render(<TalkView id="b1" talk={about} mute={mute} onSaid={onSaid} />))

function type(text: string) {
  const field = box.querySelector('textarea')!
  const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value')!.set!
  act(() => {
    set.call(field, text)
    field.dispatchEvent(new Event('input', { bubbles: true }))
  })
}
const send = async () => {
  await act(async () => {
    box.querySelector('form')!.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true }))
    await new Promise((done) => setTimeout(done, 5))
  })
}

it('shows what was said in its order, as text', () => {
  const comments = [
    { from: DID, at_ms: 1, text: 'why <b>so</b>?' },
    { from: `${DID}b`, at_ms: 2, text: 'two\nlines' },
  ]
  show(talk({ comments, comments_left_out: 3 }))
  const said = [...box.querySelectorAll('.talk-text')].map((each) => each.textContent)
  expect(said).toEqual(['why <b>so</b>?', 'two\nlines'])
  expect(box.querySelector('.talk-text b')).toBeNull()
  expect(box.textContent).toContain('Older ones are left out: 3.')
})

it('says something, once there is something to say', async () => {
  const onSaid = vi.fn()
  show(talk({}), onSaid)
  expect(box.querySelector('button')).toBeNull()
  type('   ')
  expect(box.querySelector('button')).toBeNull()
  type('  because  ')
  expect(box.querySelector('button')!.disabled).toBe(false)
  await send()
  expect(asked).toEqual([{ id: 'b1', text: 'because' }])
  expect(onSaid).toHaveBeenCalledOnce()
  expect(box.querySelector('textarea')!.value).toBe('')
})

it('keeps the words if they are refused, and counts bytes', async () => {
  refusal = 'taken back'
  const onSaid = vi.fn()
  show(talk({}), onSaid)
  type('é'.repeat(2049))
  expect(box.querySelector('button')!.disabled).toBe(true)
  expect(box.textContent).toContain('Too long by 2 bytes')
  type('still there')
  await send()
  expect(box.textContent).toContain('taken back')
  expect(box.querySelector('textarea')!.value).toBe('still there')
  expect(onSaid).not.toHaveBeenCalled()
})

it('has no field where nobody would read an answer', () => {
  show(talk({ comments: [{ from: DID, at_ms: 1, text: 'before' }] }), () => {}, 'They would not read it.')
  expect(box.querySelector('form')).toBeNull()
  expect(box.textContent).toContain('before')
  expect(box.textContent).toContain('They would not read it.')
})
