import type { DraftDiff, Operation, Value } from '../api/types'
import { typed } from './groups'

/** Drafts: what is typed, and what they say. */

/** What was typed, as a value of the kind that is there: a number stays a number. `null` if it is none. */
export function likeBefore(text: string, before: Value | undefined): Value | null {
  if (typeof before === 'number' || typeof before === 'string') return typed(text, before)
  if (typeof before === 'boolean') return text === 'true' || text === 'yes' ? true : text === 'false' || text === 'no' ? false : null
  return text
}

/** One change, as a transaction. Nothing typed takes the attribute away; no entity makes one. */
export function saying(entity: string, attribute: string, text: string, before: Value | undefined): Operation | null {
  const about = { entity: entity === '' ? '_:new' : entity, attribute }
  if (text.trim() === '') return entity === '' ? null : { retract: about }
  const value = likeBefore(text.trim(), before)
  return value === null ? null : { assert: { ...about, value } }
}

/** What an entity is called where it is known by a draft alone. */
export function calledIn({ attributes }: DraftDiff['entities'][number]): string | null {
  const names = ['title', 'name', 'photo-title', 'social/name', 'social/text']
  for (const name of names) {
    const value = attributes.find((each) => each.attribute === name)?.draft[0]
    if (typeof value === 'string' && value !== '') return value.length > 60 ? `${value.slice(0, 59)}…` : value
  }
  return null
}

/** How many attributes were changed in the base since the draft spoke of them. */
export function changedSince({ entities }: DraftDiff): number {
  return entities.reduce((sum, each) => sum + each.attributes.filter((place) => place.changed).length, 0)
}
