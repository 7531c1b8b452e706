import { expect, it } from 'vitest'
import { askedPositions, ordinal } from './recovery-words'

it('asks for different words within the list, in order', () => {
  for (let run = 0; run < 200; run++) {
    const asked = askedPositions(24, 3)
    expect(new Set(asked).size).toBe(3)
    expect(asked).toEqual([...asked].sort((a, b) => a - b))
    expect(asked.every((position) => position >= 1 && position <= 24)).toBe(true)
  }
})

it('names positions', () => {
  expect([1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 24].map(ordinal)).toEqual([
    '1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '22nd', '23rd', '24th',
  ])
})
