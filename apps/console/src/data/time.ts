import { useSyncExternalStore } from 'react'

/** Times in the reader's own language and time zone. */

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'short' })
const dayOnly = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const dayAndYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
const exactly = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' })
const monthAndYear = new Intl.DateTimeFormat(undefined, { month: 'long', year: 'numeric' })
const monthAlone = new Intl.DateTimeFormat(undefined, { month: 'short' })

/** “5 min. ago” within a week, then a date; the year only when it is not this one. */
export function roughly(at: number, now: number): string {
  const past = now - at
  if (past < -MINUTE || past >= 7 * DAY) {
    const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear()
    return (sameYear ? dayOnly : dayAndYear).format(at)
  }
  if (past < MINUTE) return relative.format(0, 'second')
  if (past < HOUR) return relative.format(-Math.floor(past / MINUTE), 'minute')
  if (past < DAY) return relative.format(-Math.floor(past / HOUR), 'hour')
  return relative.format(-Math.floor(past / DAY), 'day')
}

export function exact(at: number): string {
  return isRepresentable(at) ? exactly.format(at) : `${at} ms`
}

export function shortDate(at: number): string {
  return isRepresentable(at) ? dayAndYear.format(at) : `${at} ms`
}

/** `2022-07` as “July 2022”. */
export function monthName(month: string): string {
  return monthAndYear.format(middleOf(month))
}

export function monthShort(month: string): string {
  return monthAlone.format(middleOf(month))
}

export function isRepresentable(at: number): boolean {
  return Math.abs(at) <= 8.64e15
}

function middleOf(month: string): Date {
  return new Date(Number(month.slice(0, 4)), Number(month.slice(5, 7)) - 1, 15)
}

let now = Date.now()
const tickers = new Set<() => void>()
let ticking: ReturnType<typeof setInterval> | undefined

/** The time, renewed twice a minute for all who show it, with one timer. */
export function useNow(): number {
  return useSyncExternalStore(
    (listener) => {
      tickers.add(listener)
      ticking ??= setInterval(() => {
        now = Date.now()
        for (const each of tickers) each()
      }, MINUTE / 2)
      return () => {
        tickers.delete(listener)
        if (tickers.size === 0) {
          clearInterval(ticking)
          ticking = undefined
        }
      }
    },
    () => now,
  )
}
