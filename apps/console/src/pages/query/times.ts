import type { Cell } from '../../api/types'

/** Times are plain milliseconds in a result. Where name and size of a number both say time, it is read as one. */
export function looksLikeTime(cell: Cell | undefined, column: string): boolean {
  return (
    typeof cell === 'number' &&
    Number.isInteger(cell) &&
    Math.abs(cell) > 100_000_000_000 &&
    Math.abs(cell) < 5e12 &&
    /time|date|created|changed|when|day|\bat\b/i.test(column)
  )
}
