import { describe, expect, it } from 'vitest'
import { readRule, ruleWords, starts } from './recurrence'

const at = (text: string) => Date.parse(`${text}T09:00:00Z`)
const days = (found: number[] | null) => found?.map((ms) => new Date(ms).toISOString().slice(0, 10))

describe('what recurs', () => {
  it('daily, with an interval and a count', () => {
    expect(days(starts(at('2024-01-01'), 'FREQ=DAILY;INTERVAL=2;COUNT=3', true, at('2024-01-01'), at('2024-02-01')))).toEqual(['2024-01-01', '2024-01-03', '2024-01-05'])
  })

  it('weekly on some days, counted from the start', () => {
    const rule = 'FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4'
    // 2024-01-03 is a Wednesday: the Monday before does not count
    expect(days(starts(at('2024-01-03'), rule, true, 0, at('2024-03-01')))).toEqual(['2024-01-03', '2024-01-08', '2024-01-10', '2024-01-15'])
    expect(days(starts(at('2024-01-03'), rule, true, at('2024-01-09'), at('2024-03-01')))).toEqual(['2024-01-10', '2024-01-15'])
  })

  it('monthly passes over months that are too short', () => {
    expect(days(starts(at('2024-01-31'), 'FREQ=MONTHLY', true, 0, at('2024-06-01')))).toEqual(['2024-01-31', '2024-03-31', '2024-05-31'])
  })

  it('yearly, far from its start, until a day', () => {
    expect(days(starts(at('1990-05-17'), 'RRULE:FREQ=YEARLY;UNTIL=20250601', true, at('2024-01-01'), at('2030-01-01')))).toEqual(['2024-05-17', '2025-05-17'])
  })

  it('does not pretend to read every rule', () => {
    for (const rule of ['FREQ=MONTHLY;BYDAY=2TU', 'FREQ=HOURLY', 'FREQ=DAILY;INTERVAL=0', 'FREQ=YEARLY;BYWEEKNO=20', 'nonsense', 'FREQ=DAILY;UNTIL=soon']) {
      expect(readRule(rule), rule).toBeNull()
      expect(starts(0, rule, true, 0, 1e12)).toBeNull()
    }
    expect(ruleWords('FREQ=WEEKLY;INTERVAL=2')).toBe('every 2 weeks')
    expect(ruleWords('nonsense')).toBe('repeats')
  })

  it('ends, whatever it is given', () => {
    expect(starts(0, 'FREQ=DAILY', true, 9e15, 9.1e15)).toEqual([])
  })
})
