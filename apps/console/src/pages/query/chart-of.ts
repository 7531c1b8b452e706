import type { Cell } from '../../api/types'
import { isRepresentable, shortDate } from '../../data/time'
import type { Point } from '../../parts/chart'
import { looksLikeTime } from './times'

export interface ChartOf {
  kind: 'bar' | 'line'
  /** Which columns: what names a point, and its value. */
  label: number
  value: number
  points: Point[]
  /** Rows that are not drawn: there were too many, or they have no number. */
  left: number
}

/** Bars that can still be told apart. */
const MOST_BARS = 60
const MOST_POINTS = 2_000

/** The columns that hold numbers to be drawn: not times. */
export function numbers(columns: readonly string[], rows: readonly (readonly Cell[])[]): number[] {
  return columns.map((_, column) => column).filter((column) => {
    const cells = rows.map((row) => row[column]).filter((cell) => cell !== null && cell !== undefined)
    return cells.length > 0 && cells.every((cell) => typeof cell === 'number') && !isTimes(columns, rows, column)
  })
}

function isTimes(columns: readonly string[], rows: readonly (readonly Cell[])[], column: number): boolean {
  return rows.every((row) => typeof row[column] === 'number' && looksLikeTime(row[column], columns[column] ?? ''))
}

/** A result as a chart: over time, or over numbers, a line; else a bar for each row. `null` where no column holds numbers, or nothing names them. */
export function chartOf(columns: readonly string[], rows: readonly (readonly Cell[])[], wanted?: number): ChartOf | null {
  const values = numbers(columns, rows)
  if (rows.length === 0) return null
  const times = columns.findIndex((_, column) => isTimes(columns, rows, column))
  const text = columns.findIndex((_, column) => !values.includes(column) && column !== times && rows.some((row) => typeof row[column] === 'string'))
  const numeric = values.length > 1 ? (values[0] ?? -1) : -1
  const label = times >= 0 ? times : text >= 0 ? text : numeric
  const choices = values.filter((column) => column !== label)
  const value = wanted !== undefined && choices.includes(wanted) ? wanted : choices.at(-1)
  if (label < 0 || value === undefined) return null
  const isLine = label === times || label === numeric
  const all = rows.flatMap((row): Point[] => {
    const [name, number] = [row[label], row[value]]
    if (typeof number !== 'number' || !Number.isFinite(number)) return []
    if (isLine) {
      if (typeof name !== 'number' || (label === times && !isRepresentable(name))) return []
      return [{ label: label === times ? shortDate(name) : String(name), value: number, x: name }]
    }
    return [{ label: typeof name === 'string' ? name : JSON.stringify(name ?? null), value: number }]
  })
  if (isLine) all.sort((a, b) => (a.x ?? 0) - (b.x ?? 0))
  const points = all.slice(0, isLine ? MOST_POINTS : MOST_BARS)
  return points.length === 0 ? null : { kind: isLine ? 'line' : 'bar', label, value, points, left: rows.length - points.length }
}
