import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Poll } from './polled'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms)

it('asks while somebody watches, and tells only what is new', async () => {
  let answer = { n: 1 }
  const read = vi.fn(() => Promise.resolve({ ...answer }))
  const poll = new Poll(read, 100)
  const watcher = vi.fn()
  expect(poll.snapshot()).toEqual({ value: null, error: null })
  const stop = poll.subscribe(watcher)
  await settle()
  expect(poll.snapshot().value).toEqual({ n: 1 })
  await settle(100)
  expect(read).toHaveBeenCalledTimes(2)
  expect(watcher).toHaveBeenCalledTimes(1)
  answer = { n: 2 }
  await settle(100)
  expect(watcher).toHaveBeenCalledTimes(2)
  stop()
  await settle(1_000)
  expect(read).toHaveBeenCalledTimes(3)
})

it('keeps what it knew when the pod does not answer', async () => {
  const read = vi.fn<() => Promise<number>>().mockResolvedValueOnce(7).mockRejectedValueOnce(new Error('gone')).mockResolvedValue(8)
  const poll = new Poll(read, 100)
  poll.subscribe(() => {})
  await settle()
  await settle(100)
  expect(poll.snapshot()).toEqual({ value: 7, error: new Error('gone') })
  await settle(100)
  expect(poll.snapshot()).toEqual({ value: 8, error: null })
})

it('an answer to an older question is dropped', async () => {
  const answers: ((value: string) => void)[] = []
  const poll = new Poll(() => new Promise<string>((resolve) => answers.push(resolve)), 100)
  poll.subscribe(() => {})
  poll.refresh()
  answers[1]?.('new')
  await settle()
  answers[0]?.('old')
  await settle()
  expect(poll.snapshot().value).toBe('new')
})
