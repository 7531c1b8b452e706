import type { SearchHit } from '../api/types'

/** What is looked for while somebody types: the last word may be the beginning of one. A word that is written to its end is found all the same. */
export function asTyped(text: string): string {
  const q = text.trimStart()
  const inQuotes = (q.match(/["“”„]/g)?.length ?? 0) % 2 === 1
  const last = q.split(/\s+/).at(-1) ?? ''
  if (inQuotes || last === 'OR' || !/[\p{L}\p{N}]$/u.test(q) || !/^[\p{L}\p{N}]+$/u.test(last)) return q
  return `${q}*`
}

/** Whether there is anything to look for yet. */
export function isAsking(text: string): boolean {
  return text.split(/\s+/).some((word) => /^[^-\s]*[\p{L}\p{N}]/u.test(word))
}

/** The types among hits, the most frequent first. */
export function typesOf(hits: SearchHit[]): string[] {
  const counts = new Map<string, number>()
  for (const { type } of hits) if (type) counts.set(type, (counts.get(type) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([type]) => type)
}

/** Where something that was found is looked at: on the page that is made for it, else among all data. */
export function hitPath({ entity, type }: Pick<SearchHit, 'entity' | 'type'>): string {
  const part = type === 'note' ? 'notes' : type === 'contact' ? 'contacts' : type === 'mail' ? 'mail' : null
  return part ? `/library/${part}?id=${entity}` : `/data/${entity}`
}

/** A new answer for somebody who is reading the last one: what is still found stays in its place, and what is new comes after it. */
export function steady(before: readonly SearchHit[], now: readonly SearchHit[]): SearchHit[] {
  const still = new Map(now.map((hit) => [hit.entity, hit]))
  const kept = before.flatMap(({ entity }) => still.get(entity) ?? [])
  for (const { entity } of kept) still.delete(entity)
  return [...kept, ...still.values()]
}
