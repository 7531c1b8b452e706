import type { Difference, LiveRow } from '../api/live'

/**
 * A result after a difference. Where rows have places, those that are new or changed are put back in ascending order of
 * their place, which is then their final one; else changed rows stay where they are and new ones come last.
 */
export function merge(rows: readonly LiveRow[], { added, changed, removed }: Difference): LiveRow[] {
  const gone = new Set(removed)
  const placed = [...added, ...changed].filter((row): row is LiveRow & { index: number } => row.index !== undefined)
  if (placed.length === 0) {
    const newer = new Map(changed.map((row) => [row.key, row]))
    const kept = gone.size === 0 && newer.size === 0 ? rows : rows.filter((row) => !gone.has(row.key)).map((row) => newer.get(row.key) ?? row)
    return [...kept, ...added]
  }
  for (const { key } of placed) gone.add(key)
  const kept = rows.filter((row) => !gone.has(row.key))
  const out: LiveRow[] = []
  let next = 0
  for (const row of placed.sort((a, b) => a.index - b.index)) {
    while (out.length < row.index && next < kept.length) out.push(kept[next++] as LiveRow)
    out.push(row)
  }
  return out.concat(kept.slice(next))
}
