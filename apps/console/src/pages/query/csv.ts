import type { Cell } from '../../api/types'

/** RFC 4180: CRLF, quotes doubled. A leading sign that a spreadsheet would run as a formula is defused with a quote mark. */
export function toCsv(columns: string[], rows: Iterable<readonly Cell[]>): string {
  const lines = [columns.map((name) => field(name)).join(',')]
  for (const row of rows) lines.push(row.map(field).join(','))
  return `${lines.join('\r\n')}\r\n`
}

function field(cell: Cell): string {
  const text = cell === null ? '' : typeof cell === 'object' ? JSON.stringify(cell) : String(cell)
  const safe = typeof cell === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
