import type { EntityId, Value } from '../api/types'

/** Readers of an attribute's values: what has another shape than is asked for reads as absent. */

/** What an entity holds under an attribute: one value, several, or nothing. */
export type Slot = Value | Value[] | undefined

export function first(slot: Slot): Value | undefined {
  return Array.isArray(slot) ? slot[0] : slot
}

export function all(slot: Slot): Value[] {
  return slot === undefined ? [] : Array.isArray(slot) ? slot : [slot]
}

/** Text that is not blank. */
export function text(slot: Slot): string | null {
  const value = first(slot)
  return typeof value === 'string' && value.trim() !== '' ? value : null
}

export function texts(slot: Slot): string[] {
  return all(slot).filter((each) => typeof each === 'string')
}

/** A number above zero. */
export function count(slot: Slot): number | null {
  const value = first(slot)
  return typeof value === 'number' && value > 0 ? value : null
}

/** Milliseconds since 1970. */
export function time(slot: Slot): number | null {
  return times(first(slot))[0] ?? null
}

export function times(slot: Slot): number[] {
  return all(slot).flatMap((each) => (isObject(each) && 'time' in each && Number.isFinite(each.time) ? [each.time] : []))
}

export function ref(slot: Slot): EntityId | null {
  return refs(first(slot))[0] ?? null
}

export function refs(slot: Slot): EntityId[] {
  return all(slot).flatMap((each) => (isObject(each) && 'ref' in each ? [each.ref] : []))
}

/** The name of a file. */
export function blob(slot: Slot): string | null {
  const value = first(slot)
  return isObject(value) && 'blob' in value ? value.blob : null
}

function isObject(value: Value | undefined): value is Exclude<Value, boolean | number | string> {
  return typeof value === 'object'
}
