import { useMemo } from 'react'
import { type Entry, type Piece, pieces } from '../../data/months'
import { type Rows, useRows } from '../../data/rows'
import { ALL_POSTS, AUTHORS, POSTS_OF_AUTHOR, WITH_MEDIA } from './queries'

export type Show = 'all' | 'post' | 'reply' | 'boost' | 'media'
export const SHOWS: readonly Show[] = ['all', 'post', 'reply', 'boost', 'media']

export interface Timeline {
  state: Rows['state']
  error: Rows['error']
  pieces: Piece[]
  counts: Record<Show, number>
  /** Posts that appeared while the page was open. */
  fresh: ReadonlySet<string>
}

export function useTimeline(author: string | null, show: Show): Timeline {
  const index = useRows(author ? POSTS_OF_AUTHOR : ALL_POSTS, author ? [{ ref: author }] : [])
  const media = useRows(WITH_MEDIA)
  const withMedia = useMemo(() => new Set(media.rows.map((row) => row.cells[0])), [media.rows])

  const kinds = useMemo(() => sortByKind(index, withMedia), [index, withMedia])
  const shown = kinds.entries[show]
  const cut = useMemo(() => pieces(shown), [shown])
  const fresh = useMemo(() => {
    if (index.fresh.size === 0) return index.fresh
    return new Set(index.rows.filter((row) => index.fresh.has(row.key)).map((row) => String(row.cells[0])))
  }, [index])
  return { state: index.state, error: index.error, pieces: cut, counts: kinds.counts, fresh }
}

function sortByKind(index: Rows, withMedia: ReadonlySet<unknown>) {
  const entries: Record<Show, Entry[]> = { all: [], post: [], reply: [], boost: [], media: [] }
  for (const { cells } of index.rows) {
    const [post, created, type] = cells
    if (typeof post !== 'string' || typeof created !== 'number') continue
    if (type !== 'post' && type !== 'reply' && type !== 'boost') continue
    const entry = { post, created }
    entries.all.push(entry)
    entries[type].push(entry)
    if (withMedia.has(post)) entries.media.push(entry)
  }
  const counts = Object.fromEntries(SHOWS.map((show) => [show, entries[show].length])) as Record<Show, number>
  return { entries, counts }
}

/** Profiles with posts here, the most active first. */
export function useAuthors(): { id: string; count: number }[] {
  const { rows } = useRows(AUTHORS)
  return useMemo(
    () =>
      rows
        .map(({ cells: [id, count] }) => ({ id: String(id), count: Number(count) }))
        .sort((a, b) => b.count - a.count || (a.id < b.id ? -1 : 1)),
    [rows],
  )
}
