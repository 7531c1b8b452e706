import type { EntityState } from '../api/live'
import type { Cell, Change, EntityId, Given, Power, Proposal, Value } from '../api/types'
import { attributes, clauses, isFault, readPredicate } from './predicate'
import { nameOf } from './social'

/** What is shared, in words. */

export const POWERS: { power: Power; label: string; means: string }[] = [
  { power: 'read', label: 'Read', means: 'They see what matches, now and later, and change nothing.' },
  { power: 'propose', label: 'Propose', means: 'They see it and suggest changes. Nothing changes until you adopt it.' },
  { power: 'write', label: 'Read and write', means: 'They see it and change it. What they write counts in your pod.' },
]

export function powerWords(power: Power | null): string {
  if (power === 'write') return 'read and write'
  if (power === 'propose') return 'read and propose'
  return power === 'read' ? 'read' : 'no longer do anything'
}

export type GrantState = 'accepted' | 'moving' | 'waiting' | 'public' | 'over' | 'back'

export function grantState(given: Given, now: number): GrantState {
  if (given.revoked_ms !== null) return 'back'
  if (given.until_ms !== null && given.until_ms <= now) return 'over'
  if (given.public) return 'public'
  if (given.accepted) return 'accepted'
  return given.instead ? 'moving' : 'waiting'
}

const OPEN: GrantState[] = ['accepted', 'moving', 'waiting', 'public']

export function isOpenGrant(state: GrantState): boolean {
  return OPEN.includes(state)
}

/** Those that people gave: what goes on in another one is that one. */
export function shownGrants(all: Given[]): Given[] {
  return all.filter((given) => !given.moved)
}

/** The pod says why to whom it happened; here the one reads it who shares. */
const WHY: Record<string, string> = {
  'you may not write here (any more)': 'they may not write here (any more)',
  'the entity is not, or no longer, shared with you': 'the entity is not, or no longer, shared with them',
  'a new entity has to be made by you and to match what is shared': 'a new entity has to be made by them and to match what is shared',
}

export function whyTheirs(why: string): string {
  return WHY[why] ?? why
}

export type Step =
  | { kind: 'set'; attribute: string; value: Value }
  | { kind: 'put'; attribute: string; value: Value }
  | { kind: 'add'; attribute: string; by: number }
  | { kind: 'take'; attribute: string; value: Value | null }
  | { kind: 'list'; attribute: string; values: Value[] }
  | { kind: 'erase' }
  | { kind: 'other'; attribute: string | null }

export interface Touched {
  entity: EntityId
  /** Made by the proposal. */
  made: boolean
  steps: Step[]
}

/** The changes of a proposal by entity, in their order. */
export function touched({ changes }: Pick<Proposal, 'changes'>): Touched[] {
  const found = new Map<EntityId, Touched>()
  for (const change of changes) {
    const [kind, about] = Object.entries(change)[0] ?? []
    if (!kind || !about) continue
    const entry = found.get(about.entity) ?? { entity: about.entity, made: about.entity.startsWith('_:'), steps: [] }
    found.set(about.entity, entry)
    if (kind === 'create') entry.made = true
    else entry.steps.push(step(kind, about))
  }
  return [...found.values()]
}

function step(kind: string, about: Change[string]): Step {
  const { attribute = null, value } = about
  if (kind === 'erase') return { kind: 'erase' }
  if (attribute === null) return { kind: 'other', attribute }
  if (kind === 'retract') return { kind: 'take', attribute, value: value === undefined || Array.isArray(value) ? null : value }
  if (Array.isArray(value)) return { kind: 'list', attribute, values: value }
  if (value === undefined) return { kind: 'other', attribute }
  if (kind === 'assert') return { kind: 'set', attribute, value }
  if (kind === 'add') return { kind: 'add', attribute, by: Number(value) }
  // a log has a new member of a list as `list`, a transaction as `push`
  if (kind === 'insert' || kind === 'push' || kind === 'list') return { kind: 'put', attribute, value }
  return { kind: 'other', attribute }
}

/** What an entity is known by: its name, else the first text that says something the others do not. */
export function mainAttribute(state: EntityState, known: readonly string[]): string | null {
  const name = nameOf(state)
  if (name !== null) return name
  for (const [attribute, slot] of Object.entries(state)) {
    const value = Array.isArray(slot) ? slot[0] : slot
    if (known.includes(attribute) || attribute.startsWith('import/') || typeof value !== 'string' || value === '') continue
    return value.length > 80 ? `${value.slice(0, 79).trimEnd()}…` : value
  }
  return null
}

/** The end of a day as people write it (`2026-12-24`), in their time zone. */
export function endOfDay(day: string): number | null {
  const [year, month, date] = day.split('-').map(Number)
  if (!year || !month || !date) return null
  return new Date(year, month - 1, date + 1).getTime() - 1_000
}

/** What matches, as clauses over `?e`; anything if that cannot be said here. */
function matching(where: string): { clauses: string; known: string[] } {
  const read = readPredicate(where)
  return isFault(read) ? { clauses: '', known: [] } : { clauses: clauses(read), known: attributes(read) }
}

/** Asks which attributes there are in what matches, and how many entities have each. */
export function lookAround(where: string): string {
  return `[:find ?attribute (count ?e) :where ${matching(where).clauses} [?e ?attribute _]]`
}

const COLUMNS = 4

/**
 * A first query on what somebody shares, with a column for each attribute that most have and that is not the same for all. The
 * first is there for each entity; without any such the tuples are shown.
 */
export function lookQuery(where: string, found: readonly (readonly Cell[])[]): string {
  const { clauses: match, known } = matching(where)
  const columns = found
    .map(([attribute, count]) => ({ attribute: String(attribute), count: Number(count) }))
    .filter(({ attribute }) => !known.includes(attribute) && !attribute.startsWith('rhizome/'))
    .sort((a, b) => b.count - a.count || (a.attribute < b.attribute ? -1 : 1))
    .slice(0, COLUMNS)
  if (columns.length === 0) return '[:find ?entity ?attribute ?value\n :where [?entity ?attribute ?value]\n :limit 500]'
  const names = columns.map(({ attribute }, at) => {
    const plain = attribute.replace(/^.*\//, '').replace(/[^A-Za-z0-9-]/g, '')
    const taken = columns.some((other, before) => before < at && other.attribute.replace(/^.*\//, '') === plain)
    return /^[A-Za-z]/.test(plain) && plain !== 'e' && !/^v\d+$/.test(plain) && !taken ? `?${plain}` : `?column${at + 1}`
  })
  const lines = columns.map(({ attribute }, at) => `[(get-else $ ?e ${JSON.stringify(attribute)} "") ${names[at]}]`)
  return [`[:find ?e ${names.join(' ')}`, ` :where ${[match || '[?e _ _]', ...lines].join('\n        ')}`, ' :limit 500]'].join('\n')
}
