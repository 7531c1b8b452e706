import { shownLabels, ticks } from './scale'

export interface Point {
  label: string
  value: number
  /** Its place on the axis; without one, points stand side by side. */
  x?: number
}

const WIDTH = 720
const HEIGHT = 240
const LEFT = 64
const BOTTOM = 28
const TOP = 10
const RIGHT = 12
const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 })

/** Bars or a line, drawn as SVG; whoever cannot see it reads the same as a table. */
export function Chart(props: { name: string; kind: 'bar' | 'line'; points: readonly Point[]; axis: string; format?: (value: number) => string }) {
  const { name, kind, points, axis } = props
  const format = props.format ?? ((value: number) => compact.format(value))
  const values = points.map((point) => point.value)
  const marks = ticks(Math.min(...values), Math.max(...values))
  const [low = 0, high = 1] = [marks[0], marks.at(-1)]
  const y = (value: number) => TOP + (1 - (value - low) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM)
  const xs = places(points)
  const slot = (WIDTH - LEFT - RIGHT) / Math.max(1, points.length)
  const bar = Math.max(1, Math.min(48, slot * 0.72))
  const labels = shownLabels(points.length, 8)
  return (
    <figure className="chart">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={name}>
        {marks.map((mark) => (
          <g key={mark}>
            <line className="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y(mark)} y2={y(mark)} />
            <text className="tick" x={LEFT - 8} y={y(mark) + 4} textAnchor="end">
              {format(mark)}
            </text>
          </g>
        ))}
        {labels.map((at) => (
          <text key={at} className="tick" x={xs[at]} y={HEIGHT - 8} textAnchor="middle">
            {short(points[at]?.label ?? '')}
          </text>
        ))}
        {kind === 'line' && <polyline className="line" points={points.map((point, at) => `${xs[at]},${y(point.value)}`).join(' ')} />}
        {points.map((point, at) =>
          kind === 'bar' ? (
            <rect
              key={at}
              className="bar"
              x={(xs[at] ?? 0) - bar / 2}
              width={bar}
              y={Math.min(y(0), y(point.value))}
              height={Math.max(point.value === 0 ? 0 : 1, Math.abs(y(point.value) - y(0)))}
              rx={Math.min(3, bar / 4)}
            >
              <title>{`${point.label}: ${format(point.value)}`}</title>
            </rect>
          ) : (
            points.length <= 60 && (
              <circle key={at} className="dot-mark" cx={xs[at]} cy={y(point.value)} r={3.5}>
                <title>{`${point.label}: ${format(point.value)}`}</title>
              </circle>
            )
          ),
        )}
      </svg>
      <table className="visually-hidden">
        <caption>{name}</caption>
        <thead>
          <tr>
            <th scope="col">{axis}</th>
            <th scope="col">Value</th>
          </tr>
        </thead>
        <tbody>
          {points.map((point, at) => (
            <tr key={at}>
              <th scope="row">{point.label}</th>
              <td>{format(point.value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  )
}

function places(points: readonly Point[]): number[] {
  const inner = WIDTH - LEFT - RIGHT
  const xs = points.map((point) => point.x)
  if (xs.length > 1 && xs.every((x) => x !== undefined)) {
    const all = xs as number[]
    const [least, most] = [Math.min(...all), Math.max(...all)]
    if (most > least) return all.map((x) => LEFT + 8 + ((x - least) / (most - least)) * (inner - 16))
  }
  return points.map((_, at) => LEFT + ((at + 0.5) / points.length) * inner)
}

function short(label: string): string {
  return label.length > 13 ? `${label.slice(0, 12)}…` : label
}

/** Parts of a whole, one line each, with a bar as long as its share. The numbers are text beside it. */
export function Shares(props: { name: string; rows: readonly { label: string; value: number; words: string; note?: string | undefined }[] }) {
  const most = Math.max(1, ...props.rows.map((row) => row.value))
  return (
    <ul className="shares" aria-label={props.name}>
      {props.rows.map((row) => (
        <li key={row.label}>
          <span className="share-label">{row.label}</span>
          <span className="share-words">{row.words}</span>
          <span className="share-bar" aria-hidden="true">
            <span style={{ width: `${(row.value / most) * 100}%` }} />
          </span>
          {row.note && <span className="quiet share-note">{row.note}</span>}
        </li>
      ))}
    </ul>
  )
}
