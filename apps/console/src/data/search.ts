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
