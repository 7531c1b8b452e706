import { expect, it } from 'vitest'
import { roughly } from './time'

it('goes from moments to dates', () => {
  const now = new Date(2026, 10, 20, 12, 0, 0).getTime()
  const minute = 60_000
  expect(roughly(now - 20_000, now)).toBe('now')
  expect(roughly(now - 5 * minute, now)).toMatch(/5 min/)
  expect(roughly(now - 3 * 60 * minute, now)).toMatch(/3 hr/)
  expect(roughly(now - 24 * 60 * minute, now)).toMatch(/yesterday/)
  expect(roughly(now - 30 * 24 * 60 * minute, now)).not.toMatch(/2026/)
  expect(roughly(new Date(2022, 6, 10).getTime(), now)).toMatch(/2022/)
  // A lying clock: a post from the future shows its date, not “in 3 years”.
  expect(roughly(new Date(2031, 6, 10).getTime(), now)).toMatch(/2031/)
})
