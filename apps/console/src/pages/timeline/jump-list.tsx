import type { Year } from '../../data/months'
import { monthName, monthShort } from '../../data/time'

export function jumpTo(month: string): void {
  const heading = document.getElementById(`month-${month}`)
  if (!heading) return
  heading.scrollIntoView({ block: 'start' })
  heading.focus({ preventScroll: true })
}

/** Years and months with their counts; the year of the newest posts is unfolded. */
export function JumpList({ years }: { years: Year[] }) {
  return (
    <nav className="jump" aria-label="Jump to a time">
      {years.map(({ year, count, months }, at) => (
        <details key={year} open={at === 0 || years.length <= 3}>
          <summary>
            {year} <span className="count">{count.toLocaleString()}</span>
          </summary>
          <ul>
            {months.map((each) => (
              <li key={each.month}>
                <button type="button" onClick={() => jumpTo(each.month)}>
                  <span>{monthShort(each.month)}</span>
                  <span className="count">{each.count.toLocaleString()}</span>
                </button>
              </li>
            ))}
          </ul>
        </details>
      ))}
    </nav>
  )
}

/** The same for narrow screens. */
export function JumpSelect({ years }: { years: Year[] }) {
  return (
    <select
      className="jump-select"
      aria-label="Jump to a time"
      value=""
      onChange={(event) => {
        if (event.target.value) jumpTo(event.target.value)
      }}
    >
      <option value="">Jump to…</option>
      {years.map(({ year, months }) => (
        <optgroup key={year} label={year}>
          {months.map(({ month, count }) => (
            <option key={month} value={month}>
              {monthName(month)} ({count})
            </option>
          ))}
        </optgroup>
      ))}
    </select>
  )
}
