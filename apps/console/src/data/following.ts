import type { Followed } from '../api/types'

/** Whom one follows, with all that is public of each. */
export interface Person {
  of: string
  views: Followed[]
  entities: number
  missing: number
  newest_ms: number | null
  /** Nothing of it goes on. */
  ended: boolean
}

export function people(all: readonly Followed[]): Person[] {
  const found = new Map<string, Person>()
  for (const each of all) {
    const person = found.get(each.of) ?? { of: each.of, views: [], entities: 0, missing: 0, newest_ms: null, ended: true }
    found.set(each.of, person)
    person.views.push(each)
    person.entities += each.entities
    person.missing += each.missing
    person.ended &&= each.ended
    if (each.newest_ms !== null) person.newest_ms = Math.max(person.newest_ms ?? each.newest_ms, each.newest_ms)
  }
  return [...found.values()].sort((a, b) => (b.newest_ms ?? 0) - (a.newest_ms ?? 0) || (a.of < b.of ? -1 : 1))
}

/** A DID as somebody pasted it: from a mail, perhaps, or with the command before it. */
export function pasted(text: string): string {
  return text.replace(/^\s*rhizome\s+follow\s+/, '').replace(/\s+/g, '')
}

/** Changes whenever a post does that can be among the newest. */
export const NEWS = `[:find ?e ?created ?text
 :where [?e "social/created" ?created] [?e "view/of" _] [?e "social/text" ?text]
 :order [[?created :desc]]
 :limit 100]`
