/** The timeline, cut into pieces that stay put when posts are added: by month, and within a month by forty from its oldest. */

export interface Entry {
  post: string
  created: number
}

export interface Piece {
  key: string
  /** `2022-07`, in the reader's own time zone. */
  month: string
  /** True for the newest piece of its month: it carries the heading. */
  heads: boolean
  /** Newest first. */
  posts: string[]
}

const MAX_PIECE = 40

export function pieces(entries: readonly Entry[]): Piece[] {
  const sorted = [...entries].sort((a, b) => b.created - a.created || (a.post < b.post ? 1 : -1))
  const byMonth = new Map<string, string[]>()
  for (const { post, created } of sorted) {
    const month = monthOf(created)
    const posts = byMonth.get(month)
    if (posts) posts.push(post)
    else byMonth.set(month, [post])
  }
  return [...byMonth].flatMap(([month, posts]) => cut(month, posts))
}

function cut(month: string, posts: string[]): Piece[] {
  const made: Piece[] = []
  for (let end = posts.length, part = 0; end > 0; end -= MAX_PIECE, part++) {
    made.unshift({ key: `${month}.${part}`, month, heads: false, posts: posts.slice(Math.max(0, end - MAX_PIECE), end) })
  }
  const newest = made[0]
  if (newest) newest.heads = true
  return made
}

export function monthOf(created: number): string {
  const date = new Date(created)
  return `${String(date.getFullYear()).padStart(4, '0')}-${String(date.getMonth() + 1).padStart(2, '0')}`
}

export interface Year {
  year: string
  count: number
  months: { month: string; count: number }[]
}

/** Counts for the jump list, newest year first. */
export function years(all: readonly Piece[]): Year[] {
  const found = new Map<string, Year>()
  for (const piece of all) {
    const name = piece.month.slice(0, 4)
    const year = found.get(name) ?? { year: name, count: 0, months: [] }
    found.set(name, year)
    year.count += piece.posts.length
    const month = year.months.find((each) => each.month === piece.month)
    if (month) month.count += piece.posts.length
    else year.months.push({ month: piece.month, count: piece.posts.length })
  }
  return [...found.values()]
}
