import { useMemo, useState } from 'react'
import type { Cell } from '../../api/types'
import { EntityName } from '../../parts/value'
import { exact, shortDate } from '../../data/time'
import { looksLikeTime } from './times'

const SHOWN = 200

export interface Row {
  key: string
  cells: readonly Cell[]
}

/** A result as a table. Columns sort by a click; long results are shown in steps. */
export function ResultTable({ columns, rows, fresh }: { columns: string[]; rows: readonly Row[]; fresh: ReadonlySet<string> }) {
  const [sort, setSort] = useState<{ column: number; descending: boolean } | null>(null)
  const [shown, setShown] = useState(SHOWN)
  const sorted = useMemo(() => {
    if (!sort || sort.column >= columns.length) return rows
    const sign = sort.descending ? -1 : 1
    return [...rows].sort((a, b) => sign * compare(a.cells[sort.column], b.cells[sort.column]))
  }, [rows, sort, columns.length])
  if (rows.length === 0) return <p className="quiet no-rows">No rows.</p>
  return (
    <>
      <div className="table-scroll" tabIndex={0} role="region" aria-label="Result">
        <table className="results">
          <thead>
            <tr>
              {columns.map((name, column) => {
                const direction = sort?.column === column ? (sort.descending ? 'descending' : 'ascending') : undefined
                return (
                  <th key={column} scope="col" aria-sort={direction}>
                    <button
                      type="button"
                      onClick={() => setSort(direction === 'descending' ? null : { column, descending: direction === 'ascending' })}
                    >
                      {name}
                      <span aria-hidden="true">{direction === 'ascending' ? ' ↑' : direction === 'descending' ? ' ↓' : ''}</span>
                    </button>
                  </th>
                )
              })}
            </tr>
          </thead>
          <tbody>
            {sorted.slice(0, shown).map((row) => (
              <tr key={row.key} className={fresh.has(row.key) ? 'fresh' : undefined}>
                {row.cells.map((cell, column) => (
                  <td key={column} className={typeof cell === 'number' ? 'number' : undefined}>
                    <CellView cell={cell} column={columns[column] ?? ''} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > shown && (
        <button type="button" className="button more" onClick={() => setShown(shown * 4)}>
          Show more ({(rows.length - shown).toLocaleString()} left)
        </button>
      )}
    </>
  )
}

function CellView({ cell, column }: { cell: Cell; column: string }) {
  if (cell === null) return <span className="quiet">nothing</span>
  if (typeof cell === 'string') {
    return cell.startsWith('rz:') ? <EntityName id={cell} /> : <span className="cell-text">{cell}</span>
  }
  if (typeof cell === 'number') return looksLikeTime(cell, column) ? <TimeCell at={cell} /> : String(cell)
  if (typeof cell === 'boolean') return String(cell)
  return <code className="cell-json">{JSON.stringify(cell)}</code>
}

function TimeCell({ at }: { at: number }) {
  return (
    <span title={exact(at)}>
      {at}
      <span className="quiet cell-date">{shortDate(at)}</span>
    </span>
  )
}

function compare(a: Cell | undefined, b: Cell | undefined): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  const x = typeof a === 'string' ? a : JSON.stringify(a ?? null)
  const y = typeof b === 'string' ? b : JSON.stringify(b ?? null)
  return x < y ? -1 : x > y ? 1 : 0
}

/** JSON to unfold. Entities are links. */
export function JsonView({ value, name, open = true }: { value: Cell; name?: string; open?: boolean }) {
  const label = name === undefined ? null : <span className="json-name">{name}: </span>
  if (value === null || typeof value !== 'object') {
    return (
      <div className="json-leaf">
        {label}
        {typeof value === 'string' && value.startsWith('rz:') ? <EntityName id={value} /> : <code>{JSON.stringify(value)}</code>}
      </div>
    )
  }
  const members: [string, Cell][] = Array.isArray(value) ? value.map((each, at) => [String(at), each]) : Object.entries(value)
  const count = `${members.length} ${Array.isArray(value) ? 'item' : 'member'}${members.length === 1 ? '' : 's'}`
  return (
    <details className="json" open={open}>
      <summary>
        {label}
        <span className="quiet">{count}</span>
      </summary>
      <JsonMembers members={members} />
    </details>
  )
}

function JsonMembers({ members }: { members: [string, Cell][] }) {
  const [shown, setShown] = useState(SHOWN)
  return (
    <div className="json-members">
      {members.slice(0, shown).map(([name, each]) => (
        <JsonView key={name} name={name} value={each} open={members.length <= 20} />
      ))}
      {members.length > shown && (
        <button type="button" className="button more" onClick={() => setShown(shown * 4)}>
          Show more ({(members.length - shown).toLocaleString()} left)
        </button>
      )}
    </div>
  )
}
