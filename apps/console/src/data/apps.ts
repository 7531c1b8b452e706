import type { Activity, AskedScope, Power, Scope } from '../api/types'
import { count } from './exchange'
import { isFault, readPredicate } from './predicate'

/** Apps that ask, in words. What an app says of itself is shown as its words, and can look like nothing else. */

export const MAX_NAME = 60
export const MAX_WHY = 280
export const MAX_CONSTANT = 80
export const MAX_ERROR = 300

/** Nothing to be seen (controls, marks of direction, joiners, fillers), or breaks of a line. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\u115f\u1160\u2800\u3164\uffa0]/gu
/** Marks above and below one letter, piled up until they cover the lines beside. */
const PILE = /(\p{M}{2})\p{M}+/gu
/** It stands in quotes of ours: it cannot end them. */
const QUOTES = /["“”„‟«»‹›″‶❝❞〝〞＂]/g

/** Words of somebody else's, on one line, of bounded length, to be put between quotes. */
export function theirs(text: string, most: number): string {
  // cut first: what comes may be long
  const flat = text.slice(0, most * 8).replace(UNSEEN, ' ').replace(PILE, '$1').replace(QUOTES, '’').replace(/\s+/gu, ' ').trim()
  const letters = [...flat]
  return letters.length > most ? `${letters.slice(0, most - 1).join('').trimEnd()}…` : flat
}

export function appName(name: string): string {
  const seen = theirs(name, MAX_NAME)
  return seen === '' ? 'no name' : seen
}

const ORDER: readonly Power[] = ['read', 'propose', 'write']

const CHOICES: Record<Power, { label: string; means: string }> = {
  read: { label: 'See', means: 'It sees what matches, now and later, and changes nothing.' },
  propose: { label: 'See and suggest', means: 'It sees it and suggests changes. Nothing changes until you adopt it.' },
  write: { label: 'See and change', means: 'It sees it and changes it, and adds more that matches. You can see in the history what it did.' },
}

/** What can be given when this was asked for: never more, the most first. */
export function choices(asked: Power): { power: Power; label: string; means: string }[] {
  return ORDER.slice(0, ORDER.indexOf(asked) + 1)
    .reverse()
    .map((power) => ({ power, ...CHOICES[power] }))
}

export function canWords(can: Power): string {
  return CHOICES[can].label.toLowerCase()
}

/** What somebody decided about one scope. `also` narrows it, as typed. */
export interface Decision {
  can: Power | null
  also: string
}

/** What is to be given: `null` is nothing of it. What narrows goes alone: the pod joins it with what was asked. */
export function given(asked: AskedScope, { can, also }: Decision): Scope | null {
  if (can === null || asked.problem) return null
  return { where: also.trim() === '' ? asked.where : also.trim(), can }
}

/** Both predicates, for a preview; `null` if what was typed is none. */
export function narrowed(asked: string, also: string): string | null {
  if (also.trim() === '') return asked
  return isFault(readPredicate(also)) ? null : `(${asked}) && (${also.trim()})`
}

/** An origin in words, where it says something that is easily missed. */
export function originNote(origin: string): string | null {
  let host: string
  try {
    host = new URL(origin).hostname
  } catch {
    return null
  }
  if (host === 'localhost' || host.endsWith('.localhost') || /^127\./.test(host) || host === '[::1]') return 'That is a page on this machine.'
  if (/(^|\.)xn--/.test(host)) return 'This address is written in letters that may look like others. Be sure that you know it.'
  if (origin.startsWith('http:')) return 'Others on the way can change this page: its address is not a secure one.'
  return null
}

export type Until = 'asked' | 'day' | 'week' | 'month' | 'none'

const DAYS: Record<Exclude<Until, 'asked'>, number | null> = { day: 1, week: 7, month: 30, none: null }

export function untilDays(until: Until, asked: number | null): number | null {
  return until === 'asked' ? asked : DAYS[until]
}

/** The choices of an end: as it asked first, and none twice. */
export function untilChoices(asked: number | null): { until: Until; label: string }[] {
  const first = asked === null ? 'until I take it back (as it asked)' : `${count(asked, 'day')} (as it asked)`
  const rest: [Exclude<Until, 'asked'>, string][] = [
    ['day', 'a day'],
    ['week', 'a week'],
    ['month', 'a month'],
    ['none', 'until I take it back'],
  ]
  return [{ until: 'asked', label: first }, ...rest.filter(([until]) => DAYS[until] !== asked).map(([until, label]) => ({ until, label }))]
}

/** `abcd efgh` as the pod writes it. */
export function userCode(typed: string): string {
  const letters = typed.toUpperCase().replace(/[^A-Z0-9]/g, '')
  return letters.length === 8 ? `${letters.slice(0, 4)}-${letters.slice(4)}` : letters
}

export function activityWords({ kind, count: n }: Pick<Activity, 'kind' | 'count'>): string {
  const times = n === 1 ? '' : ` ${n.toLocaleString()} times`
  switch (kind) {
    case 'query':
      return `asked${times || ' once'}`
    case 'live':
      return `began to listen${times}`
    case 'write':
      return `wrote${times || ' once'}`
    case 'propose':
      return `suggested something${times}`
    case 'entity':
      return `looked at ${count(n, 'entity', 'entities')}`
    case 'file':
      return `fetched or brought ${count(n, 'file')}`
    case 'refused':
      return `was refused something${times}`
    case 'came':
      return 'was let in'
    case 'left':
      return 'left, or was sent away'
    default:
      return theirs(String(kind), 40)
  }
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

export function bytesWords(bytes: number): string {
  let at = 0
  let n = bytes
  while (n >= 1_000 && at < UNITS.length - 1) {
    n /= 1_000
    at += 1
  }
  return `${n.toLocaleString(undefined, { maximumFractionDigits: n < 10 && at > 0 ? 1 : 0 })} ${UNITS[at] ?? ''}`
}

export function secondsWords(ms: number): string {
  return `${(ms / 1_000).toLocaleString(undefined, { maximumFractionDigits: ms < 10_000 ? 1 : 0 })} s`
}
