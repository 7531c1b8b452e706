import { expect, it } from 'vitest'
import { shownLabels, ticks } from './scale'

it('an axis has round numbers that reach beyond all values', () => {
  expect(ticks(0, 100)).toEqual([0, 25, 50, 75, 100])
  expect(ticks(3, 7)).toEqual([0, 2, 4, 6, 8])
  expect(ticks(0, 0)).toEqual([0, 0.25])
  expect(ticks(-5, 12)).toEqual([-5, 0, 5, 10, 15])
  for (const most of [0.003, 1, 17, 999, 1_234_567]) {
    const all = ticks(0, most)
    expect(all.at(-1)).toBeGreaterThanOrEqual(most)
    expect(all.length).toBeLessThanOrEqual(6)
  }
})

it('labels do not overlap', () => {
  expect(shownLabels(5, 8)).toEqual([0, 1, 2, 3, 4])
  expect(shownLabels(24, 8)).toEqual([0, 3, 6, 9, 12, 15, 18, 21])
  expect(shownLabels(0, 8)).toEqual([])
})
