/** Starts of something that recurs, by the rules of RFC 5545 that calendars mostly use. */

const DAY = 86_400_000
const DAYS = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA']
/** Steps that are taken at most, whatever the rule says. */
const MOST = 20_000

interface Rule {
  freq: 'DAILY' | 'WEEKLY' | 'MONTHLY' | 'YEARLY'
  interval: number
  count: number
  until: number
  days: number[]
}

/** `null` for a rule that says more than this reads: then only what is written itself is shown. */
export function readRule(text: string): Rule | null {
  const parts = new Map(text.replace(/^RRULE:/i, '').toUpperCase().split(';').map((part) => part.split('=', 2) as [string, string | undefined]))
  const known = new Set(['FREQ', 'INTERVAL', 'COUNT', 'UNTIL', 'BYDAY', 'WKST', 'BYMONTH', 'BYMONTHDAY'])
  if ([...parts.keys()].some((name) => !known.has(name))) return null
  const freq = parts.get('FREQ')
  if (freq !== 'DAILY' && freq !== 'WEEKLY' && freq !== 'MONTHLY' && freq !== 'YEARLY') return null
  const number = (name: string, otherwise: number) => {
    const found = parts.get(name)
    return found === undefined ? otherwise : /^[1-9]\d{0,8}$/.test(found) ? Number(found) : NaN
  }
  const [interval, count] = [number('INTERVAL', 1), number('COUNT', Infinity)]
  const until = readUntil(parts.get('UNTIL'))
  const byDay = parts.get('BYDAY')?.split(',') ?? []
  const days = byDay.map((day) => DAYS.indexOf(day))
  // One day of the month, or one month, is that of the start and says nothing new.
  const once = (parts.get('BYMONTHDAY') ?? '').includes(',') || (parts.get('BYMONTH') ?? '').includes(',')
  if ([interval, count, until].some(Number.isNaN) || days.includes(-1) || once) return null
  if (days.length > 0 && freq !== 'WEEKLY' && !(freq === 'DAILY' && interval === 1)) return null
  if (freq !== 'YEARLY' && parts.has('BYMONTH')) return null
  if (freq !== 'YEARLY' && freq !== 'MONTHLY' && parts.has('BYMONTHDAY')) return null
  return { freq, interval, count, until, days }
}

function readUntil(text: string | undefined): number {
  if (text === undefined) return Infinity
  const found = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)Z?)?$/.exec(text)
  if (!found) return NaN
  const [year = 0, month = 0, day = 0, hour = 23, minute = 59, second = 59] = found.slice(1).map((each) => (each === undefined ? undefined : Number(each)))
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

/** The starts from `from` to before `to`, the first one with them if it lies there; `utc`: its clock is that of UTC, and not the reader's. */
export function starts(start: number, rule: string, utc: boolean, from: number, to: number): number[] | null {
  const read = readRule(rule)
  if (!read) return null
  const out: number[] = []
  let counted = 0
  for (let step = 0; step < MOST && counted < read.count; step++) {
    const base = stepped(start, read, step, utc)
    if (base === null) continue
    for (const at of read.days.length > 0 ? daysOf(base, read, utc) : [base]) {
      if (at < start) continue
      if (at > read.until || counted >= read.count) return out
      counted++
      if (at >= to) return out
      if (at >= from) out.push(at)
    }
    if (base - 7 * DAY >= to) break
  }
  return out
}

/** The base of a step; `null` where that month or year has no such day. */
function stepped(start: number, rule: Rule, step: number, utc: boolean): number | null {
  const n = step * rule.interval
  const at = new Date(start)
  if (rule.freq === 'DAILY' || rule.freq === 'WEEKLY') return shift(at, n * (rule.freq === 'WEEKLY' ? 7 : 1), utc)
  const months = rule.freq === 'YEARLY' ? 12 * n : n
  const day = utc ? at.getUTCDate() : at.getDate()
  if (utc) at.setUTCMonth(at.getUTCMonth() + months)
  else at.setMonth(at.getMonth() + months)
  return (utc ? at.getUTCDate() : at.getDate()) === day ? at.getTime() : null
}

/** Days later, at the same hour by the clock on the wall. */
function shift(at: Date, days: number, utc: boolean): number {
  const out = new Date(at)
  if (utc) out.setUTCDate(out.getUTCDate() + days)
  else out.setDate(out.getDate() + days)
  return out.getTime()
}

/** The days of a week that a rule names, the week beginning on Monday; of a day, whether it is one of them. */
function daysOf(base: number, rule: Rule, utc: boolean): number[] {
  const at = new Date(base)
  const day = utc ? at.getUTCDay() : at.getDay()
  if (rule.freq === 'DAILY') return rule.days.includes(day) ? [base] : []
  const monday = (day + 6) % 7
  return rule.days.map((each) => shift(at, ((each + 6) % 7) - monday, utc)).sort((a, b) => a - b)
}

const WORDS = { DAILY: ['every day', 'days'], WEEKLY: ['every week', 'weeks'], MONTHLY: ['every month', 'months'], YEARLY: ['every year', 'years'] } as const

export function ruleWords(rule: string): string {
  const read = readRule(rule)
  if (!read) return 'repeats'
  const [one, many] = WORDS[read.freq]
  return read.interval === 1 ? one : `every ${read.interval} ${many}`
}
