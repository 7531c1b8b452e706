import { act } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { forget, token } from '../api/session'
import { Unlock } from './unlock'

const TOKEN = 'a-token-of-some-length'
let root: Root
let box: HTMLElement
let other: BroadcastChannel

beforeEach(() => {
  forget()
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  vi.stubGlobal('fetch', () => Promise.resolve(new Response('{}')))
  other = new BroadcastChannel('rhizome.token')
  box = document.createElement('div')
  document.body.append(box)
  root = createRoot(box)
})
afterEach(() => {
  act(() => root.unmount())
  box.remove()
  other.close()
  forget()
  window.history.replaceState(null, '', '/')
  vi.unstubAllGlobals()
})

async function until(found: () => boolean): Promise<void> {
  for (let left = 200; left > 0 && !found(); left--) await act(() => new Promise((resolve) => setTimeout(resolve, 20)))
  expect(found()).toBe(true)
}

it('borrows from another tab before it asks anything, and stays where it was', async () => {
  window.history.replaceState(null, '', '/authorize?client_id=x&state=y')
  other.onmessage = ({ data }: MessageEvent<{ ask: string }>) => other.postMessage({ answer: data.ask, token: TOKEN })
  const unlocked = vi.fn()
  act(() => root.render(<Unlock onUnlocked={unlocked} />))
  expect(box.querySelector('input')).toBe(null)
  await until(() => unlocked.mock.calls.length === 1)
  expect(token()).toBe(TOKEN)
  expect(window.location.pathname + window.location.search).toBe('/authorize?client_id=x&state=y')
})

it('falls back to pasting, and goes on by itself when a console is opened later', async () => {
  const unlocked = vi.fn()
  act(() => root.render(<Unlock onUnlocked={unlocked} />))
  await until(() => box.querySelector('input') !== null)
  expect(unlocked).not.toHaveBeenCalled()
  other.onmessage = ({ data }: MessageEvent<{ ask: string }>) => other.postMessage({ answer: data.ask, token: TOKEN })
  await until(() => unlocked.mock.calls.length === 1)
})
