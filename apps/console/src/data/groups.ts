import type { EntityState } from '../api/live'
import type { EntityId, Group, GroupMember, GroupRole, Operation, Value } from '../api/types'

/** Groups, in words, and what is changed in them. */

export const ROLES: { role: GroupRole; label: string; short: string; means: string }[] = [
  { role: 'member', label: 'Member', short: 'member', means: 'Reads all of it and writes. What they write counts at once.' },
  { role: 'reader', label: 'Reader', short: 'reader', means: 'Reads all of it and changes nothing.' },
  { role: 'admin', label: 'Admin', short: 'admin', means: 'Reads and writes, invites people, and removes those who came later.' },
]

export function roleWords(role: GroupRole | null): string {
  return ROLES.find((each) => each.role === role)?.short ?? 'no longer in it'
}

export function aRole(role: GroupRole | null): string {
  return `${role === 'admin' ? 'an' : 'a'} ${roleWords(role)}`
}

/** How one stands there oneself. */
export type Standing = 'out' | 'waiting' | 'in'

export function standing(group: Group, own: string | null): Standing {
  if (group.role === null) return 'out'
  return group.members.find((each) => each.did === own)?.invited ? 'waiting' : 'in'
}

export function mayWrite(group: Group, own: string | null): boolean {
  return standing(group, own) === 'in' && group.role !== 'reader'
}

export function mayInvite(group: Group, own: string | null): boolean {
  return standing(group, own) === 'in' && group.role === 'admin'
}

/** An admin removes everybody but himself, and admins who were there before him. */
export function mayRemove(group: Group, own: string | null, member: GroupMember): boolean {
  if (!mayInvite(group, own) || member.did === own) return false
  const place = (did: string | null) => group.members.findIndex((each) => each.did === did)
  return member.invited || member.role !== 'admin' || place(member.did) > place(own)
}

/** Nobody else is there who could open it. */
export function isAlone(group: Group, own: string | null): boolean {
  return group.members.every((each) => each.did === own || each.invited)
}

/** The only admin of others does not go: somebody has to be able to invite and remove. */
export function mayLeave(group: Group, own: string | null): boolean {
  const others = group.members.filter((each) => each.did !== own)
  return group.role !== 'admin' || others.length === 0 || others.some((each) => each.role === 'admin' && !each.invited) || standing(group, own) !== 'in'
}

export type Plain = string | number | boolean

/** An attribute of an entity: editable if it is one plain value, else shown. */
export interface Field {
  attribute: string
  value: Value | Value[]
  plain: Plain | null
}

const FIRST = ['title', 'name', 'social/name', 'text', 'social/text']

/** What is said of an entity: its name and its text first. */
export function fields(state: EntityState): Field[] {
  const rank = (attribute: string) => (FIRST.includes(attribute) ? FIRST.indexOf(attribute) : FIRST.length)
  return Object.entries(state)
    .filter(([attribute]) => !attribute.startsWith('rhizome/'))
    .map(([attribute, value]) => ({ attribute, value, plain: Array.isArray(value) || typeof value === 'object' ? null : value }))
    .sort((a, b) => rank(a.attribute) - rank(b.attribute) || (a.attribute < b.attribute ? -1 : 1))
}

/** What was typed, as a value of the kind that was there; `null` if it is none. */
export function typed(text: string, before: Plain): Plain | null {
  if (typeof before === 'boolean') return text === 'true'
  if (typeof before === 'string') return text
  const number = Number(text)
  return text.trim() !== '' && Number.isFinite(number) && (!Number.isInteger(before) || Number.isSafeInteger(number)) ? number : null
}

/** The changes that make an entity say what was typed, of those fields that somebody touched. An emptied one goes. */
export function edits(entity: EntityId, base: EntityState, drafts: ReadonlyMap<string, string>): Operation[] {
  const out: Operation[] = []
  for (const { attribute, plain } of fields(base)) {
    const draft = drafts.get(attribute)
    if (plain === null || draft === undefined || draft === String(plain)) continue
    const value = typed(draft, plain)
    if (draft.trim() === '') out.push({ retract: { entity, attribute } })
    else if (value !== null) out.push({ assert: { entity, attribute, value } })
  }
  return out
}

/** Takes all away that is said of an entity. */
export function takeAway(entity: EntityId, state: EntityState): Operation[] {
  return Object.keys(state).map((attribute) => ({ retract: { entity, attribute } }))
}

export interface Draft {
  title: string
  text: string
  picture: string | null
}

export function addition({ title, text, picture }: Draft): Operation[] {
  const said: [string, Value][] = [['title', title.trim()]]
  if (text.trim() !== '') said.push(['text', text.trim()])
  if (picture !== null) said.push(['picture', { blob: picture }])
  return said.map(([attribute, value]) => ({ assert: { entity: '_:new', attribute, value } }))
}

/** The first file that an entity names: perhaps a picture. */
export function firstFile(state: EntityState): string | null {
  for (const slot of Object.values(state)) {
    for (const value of Array.isArray(slot) ? slot : [slot]) {
      if (typeof value === 'object' && 'blob' in value) return value.blob
    }
  }
  return null
}
