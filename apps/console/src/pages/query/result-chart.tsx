import { useMemo, useState } from 'react'
import { Chart } from '../../parts/chart'
import { chartOf, numbers } from './chart-of'
import type { Row } from './results'

/** A result drawn, where its columns can be. */
export function ResultChart({ columns, rows }: { columns: string[]; rows: readonly Row[] }) {
  const [wanted, setWanted] = useState<number | undefined>(undefined)
  const cells = useMemo(() => rows.map((row) => row.cells), [rows])
  const chart = useMemo(() => chartOf(columns, cells, wanted), [columns, cells, wanted])
  const choices = useMemo(() => numbers(columns, cells).filter((column) => column !== chart?.label), [columns, cells, chart?.label])
  if (!chart) {
    return <p className="quiet no-rows">There is nothing to draw: a chart takes a column of numbers, and one that names them or says when.</p>
  }
  const [label, value] = [columns[chart.label] ?? '', columns[chart.value] ?? '']
  return (
    <>
      <div className="chart-of">
        {choices.length > 1 ? (
          <label>
            Draw{' '}
            <select value={chart.value} onChange={(event) => setWanted(Number(event.target.value))}>
              {choices.map((column) => (
                <option key={column} value={column}>
                  {columns[column]}
                </option>
              ))}
            </select>
          </label>
        ) : (
          <code>{value}</code>
        )}
        <span className="quiet">
          by <code>{label}</code>
          {chart.left > 0 && ` · ${chart.left.toLocaleString()} more rows are not drawn`}
        </span>
      </div>
      <Chart name={`${value} by ${label}`} kind={chart.kind} points={chart.points} axis={label} />
    </>
  )
}
