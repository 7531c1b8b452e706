import { useMemo } from 'react'
import { useEntities } from '../../data/entities'
import { type CalendarEvent, type Occurrence, occurrences, readEvent, repeats } from '../../data/library'
import { useRows } from '../../data/rows'
import { monthName } from '../../data/time'
import { Icon } from '../../parts/icon'
import { Loading } from '../../parts/note'
import { Text } from '../../parts/text'
import { entityPath, Link, navigate } from '../../router'
import { Nothing } from './library-page'

const DAY = 86_400_000
/** Events that begin this long before a month may still go on in it. */
const LONGEST = 62 * DAY
/** Of a month, and of those that recur. */
const MOST = 1_000
const SHOWN = 3

const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' })
const dayName = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

const ANY = '[:find ?e ?start :where [?e "calendar/type" "event"] [?e "calendar/start" ?start] :order [[?start :desc]] :limit 1]'
const RECURRING = `[:find ?e ?start :where [?e "calendar/rrule" _] [?e "calendar/type" "event"] [?e "calendar/start" ?start] :limit ${MOST}]`

function between(from: number, to: number): string {
  return `[:find ?e ?start :where [?e "calendar/type" "event"] [?e "calendar/start" ?start] [(>= ?start ${from})] [(< ?start ${to})] :order [[?start]] :limit ${MOST}]`
}

/** A month of events, as a table and as a list. */
export function CalendarPage({ search }: { search: URLSearchParams }) {
  const newest = useRows(ANY)
  const asked = search.get('month')
  const last = Number(newest.rows[0]?.cells[1] ?? NaN)
  // opened without a month: this one, or the one of the newest event where that is past
  const today = new Date()
  const start = Number.isFinite(last) && last < today.getTime() ? new Date(last) : today
  const month = asked && /^\d{4}-\d\d$/.test(asked) ? asked : key(start)
  if (newest.state === 'loading') return <Loading what="Reading" />
  return (
    <div className="page library calendar">
      <div className="page-head">
        <h1>Calendar</h1>
      </div>
      {newest.rows.length === 0 ? (
        <Nothing kind={{ icon: 'calendar', bring: 'Calendars come as iCalendar files (.ics): phones, calendar programs and online services export them.' }} />
      ) : (
        <Month key={month} month={month} />
      )}
    </div>
  )
}

function key(date: Date): string {
  return `${String(date.getFullYear()).padStart(4, '0')}-${String(date.getMonth() + 1).padStart(2, '0')}`
}

function Month({ month }: { month: string }) {
  const [year = 1970, number = 1] = month.split('-').map(Number)
  const [from, to] = [new Date(year, number - 1, 1).getTime(), new Date(year, number, 1).getTime()]
  const here = useRows(between(from - LONGEST, to + DAY))
  const recurring = useRows(RECURRING)
  const ids = useMemo(() => [...new Set([...here.rows, ...recurring.rows].map((row) => String(row.cells[0])))], [here.rows, recurring.rows])
  const all = useEntities(ids)
  const events = ids.flatMap((id, at): CalendarEvent[] => {
    const state = all[at]?.state
    const event = state ? readEvent(id, state) : null
    return event ? [event] : []
  })
  const found = occurrences(events, from, to)
  const go = (by: number) => navigate(`/library/calendar?month=${key(new Date(year, number - 1 + by, 1))}`, 'replace')
  return (
    <>
      <div className="month-bar">
        <button type="button" className="icon-button" aria-label="Month before" onClick={() => go(-1)}>
          <Icon name="left" />
        </button>
        <h2 aria-live="polite">{monthName(month)}</h2>
        <button type="button" className="icon-button" aria-label="Month after" onClick={() => go(1)}>
          <Icon name="right" />
        </button>
        <input
          type="month"
          aria-label="Go to a month"
          value={month}
          onChange={(event) => /^\d{4}-\d\d$/.test(event.target.value) && navigate(`/library/calendar?month=${event.target.value}`, 'replace')}
        />
      </div>
      <Grid year={year} month={number} found={found} />
      <Agenda found={found} from={from} to={to} />
    </>
  )
}

function Grid({ year, month, found }: { year: number; month: number; found: Occurrence[] }) {
  const first = new Date(year, month - 1, 1)
  const lead = (first.getDay() + 6) % 7
  const days = new Date(year, month, 0).getDate()
  const weeks = Math.ceil((lead + days) / 7)
  const today = new Date().toDateString()
  return (
    <table className="month-grid">
      <caption className="visually-hidden">Events by day; the list below says more of each</caption>
      <thead>
        <tr>
          {Array.from({ length: 7 }, (_, at) => (
            <th key={at} scope="col">
              {weekday.format(new Date(2024, 0, 1 + at))}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {Array.from({ length: weeks }, (_, week) => (
          <tr key={week}>
            {Array.from({ length: 7 }, (_, at) => {
              const day = week * 7 + at - lead + 1
              if (day < 1 || day > days) return <td key={at} className="no-day" />
              const [from, to] = [new Date(year, month - 1, day).getTime(), new Date(year, month - 1, day + 1).getTime()]
              const on = found.filter((each) => each.start < to && (each.end > from || each.start >= from))
              return (
                <td key={at} className={new Date(from).toDateString() === today ? 'today' : undefined}>
                  <span className="day-number">{day}</span>
                  {on.slice(0, SHOWN).map((each, place) => (
                    <Link key={place} to={entityPath(each.event.id)} className={each.event.status === 'cancelled' ? 'event cancelled' : 'event'} title={each.event.title}>
                      {each.event.title}
                    </Link>
                  ))}
                  {on.length > SHOWN && <span className="quiet">{on.length - SHOWN} more</span>}
                  {on.length > 0 && <span className="day-count" aria-hidden="true">{on.length}</span>}
                </td>
              )
            })}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Agenda({ found, from, to }: { found: Occurrence[]; from: number; to: number }) {
  const days = new Map<string, Occurrence[]>()
  for (const each of found) {
    const day = dayName.format(Math.max(each.start, from))
    days.set(day, [...(days.get(day) ?? []), each])
  }
  if (found.length === 0) return <p className="quiet">Nothing in this month.</p>
  return (
    <section className="agenda" aria-label="Events of the month">
      {[...days].map(([day, list]) => (
        <section key={day}>
          <h3>{day}</h3>
          <ul>
            {list.map((each, at) => (
              <li key={at}>
                <span className="quiet agenda-time">{whenWords(each, to)}</span>
                <span>
                  <Link to={entityPath(each.event.id)} className={each.event.status === 'cancelled' ? 'cancelled' : undefined}>
                    {each.event.title}
                  </Link>
                  {each.event.location && <span className="quiet"> · {each.event.location}</span>}
                  {each.event.rule && <span className="merge">{repeats(each.event)}</span>}
                  {each.event.description && (
                    <details>
                      <summary className="quiet">More</summary>
                      <p className="value text">
                        <Text text={each.event.description} />
                      </p>
                    </details>
                  )}
                </span>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </section>
  )
}

function whenWords({ event, start, end }: Occurrence, to: number): string {
  if (event.allDay) {
    const days = Math.round((Math.min(end, to) - start) / DAY)
    return days > 1 ? `${days} days` : 'all day'
  }
  return end > start ? `${hour.format(start)} – ${hour.format(end)}` : hour.format(start)
}
