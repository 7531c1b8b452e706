import { expect, it } from 'vitest'
import { lastBefore } from './time-slider'

it('a time belongs to the last commit before it', () => {
  const times = [10, 20, 20, 30]
  expect(lastBefore(times, 9)).toBe(-1)
  expect(lastBefore(times, 10)).toBe(0)
  expect(lastBefore(times, 20)).toBe(2)
  expect(lastBefore(times, 29)).toBe(2)
  expect(lastBefore(times, 99)).toBe(3)
  expect(lastBefore([], 5)).toBe(-1)
})
