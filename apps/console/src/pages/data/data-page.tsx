import { useEffect, useMemo, useRef, useState } from 'react'
import { useAgain } from '../../data/again'
import { useCommitTimes } from '../../data/commit-times'
import { TimeSlider } from '../../parts/time-slider'
import { EntityName } from '../../parts/value'
import { Loading, ErrorNote } from '../../parts/note'
import { Link, navigate } from '../../router'
import { api } from '../../api/http'
import type { Cell } from '../../api/types'
import { count } from '../../data/exchange'
import { useConflicts } from './conflicts-page'

const ATTRIBUTES = `[:find ?attribute (count ?entity)
 :where [?entity ?attribute _]]`

const PAGE = 200

/** The way into the tuples: every attribute in use, then the entities that have one; now, or as they were. */
export function DataPage({ search }: { search: URLSearchParams }) {
  const attribute = search.get('attribute')
  const [at, setAt] = useState<number | null>(null)
  const times = useCommitTimes(true)
  return (
    <div className="page data">
      <div className="page-head">
        <h1>Data</h1>
        <p className="quiet">Everything in your pod is a tuple: a thing, an attribute, a value. Look at any of them.</p>
      </div>
      <FindEntity />
      <ToConflicts />
      {times.length > 1 && <TimeSlider times={times} at={at} what="the whole pod" onChange={setAt} />}
      <div className={attribute ? 'data-columns chosen' : 'data-columns'}>
        {at === null ? <Attributes chosen={attribute} /> : <AttributesThen at={at} chosen={attribute} />}
        {attribute && <Having key={attribute} attribute={attribute} at={at} />}
      </div>
    </div>
  )
}

function ToConflicts() {
  const { found } = useConflicts()
  if (!found || found.total === 0) return null
  return (
    <p className="to-conflicts">
      <Link to="/conflicts">
        {found.total === 1 ? '1 value was' : `${count(found.total, 'value')} were`} written differently in two places at once
      </Link>
    </p>
  )
}

function FindEntity() {
  const [text, setText] = useState('')
  const id = text.trim().match(/rz:[a-z2-7]{39}/)?.[0]
  return (
    <form
      className="find-entity"
      onSubmit={(event) => {
        event.preventDefault()
        if (id) navigate(`/data/${id}`)
      }}
    >
      <input
        aria-label="Entity id"
        placeholder="Go to an entity: rz:…"
        value={text}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" className="button" disabled={!id}>
        Go
      </button>
    </form>
  )
}

function Attributes({ chosen }: { chosen: string | null }) {
  const { rows, error } = useCounts()
  if (rows) return <AttributeList rows={rows} chosen={chosen} />
  return error !== null ? <ErrorNote error={error} /> : <Loading what="Counting" />
}

/** Counted now, and again after something was written, the less often the longer it takes: a live query would have to keep every tuple. */
function useCounts(): { rows: Cell[][] | null; error: unknown } {
  const [found, setFound] = useState<{ rows: Cell[][] | null; error: unknown }>({ rows: null, error: null })
  const took = useRef(0)
  const asking = useRef<AbortController | null>(null)
  const count = () => {
    if (asking.current) return soon()
    const controller = new AbortController()
    const started = performance.now()
    asking.current = controller
    api
      .query(ATTRIBUTES, [], controller.signal)
      .then(
        (result) => 'rows' in result && setFound({ rows: result.rows, error: null }),
        (error: unknown) => !controller.signal.aborted && setFound((before) => ({ rows: before.rows, error })),
      )
      .finally(() => {
        took.current = performance.now() - started
        if (asking.current === controller) asking.current = null
      })
  }
  const soon = useAgain(count, () => Math.max(SETTLED_MS, 4 * took.current))
  useEffect(() => {
    count()
    return () => {
      asking.current?.abort()
      asking.current = null
    }
    // once: what comes later is asked for by what is written
  }, [])
  return found
}

/** Waits a little, so that a slider that moves asks once. */
const SETTLED_MS = 150

function AttributesThen({ at, chosen }: { at: number; chosen: string | null }) {
  const [rows, setRows] = useState<Cell[][] | null>(null)
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    const controller = new AbortController()
    const timer = setTimeout(() => {
      setError(null)
      api.queryAsOf(at, ATTRIBUTES, [], controller.signal).then(
        (result) => {
          if ('rows' in result) setRows(result.rows)
        },
        (cause: unknown) => {
          if (!controller.signal.aborted) setError(cause)
        },
      )
    }, SETTLED_MS)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [at])
  if (error !== null) return <ErrorNote error={error} />
  if (!rows) return <Loading what="Reading how it was" />
  return <AttributeList rows={rows} chosen={chosen} />
}

function AttributeList({ rows, chosen }: { rows: readonly (readonly Cell[])[]; chosen: string | null }) {
  const groups = useMemo(() => {
    const found = new Map<string, { name: string; count: number }[]>()
    for (const cells of rows) {
      const name = String(cells[0])
      const group = name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : ''
      const list = found.get(group) ?? []
      list.push({ name, count: Number(cells[1]) })
      found.set(group, list)
    }
    for (const list of found.values()) list.sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
    const size = (list: { count: number }[]) => list.reduce((sum, each) => sum + each.count, 0)
    return [...found].sort(([, a], [, b]) => size(b) - size(a))
  }, [rows])
  if (rows.length === 0) return <p className="quiet">No tuples yet.</p>
  return (
    <nav className="attributes" aria-label="Attributes">
      {groups.map(([group, list]) => (
        <section key={group}>
          <h2>{group || 'No namespace'}</h2>
          <ul>
            {list.map(({ name, count }) => (
              <li key={name}>
                <Link to={`/data?attribute=${encodeURIComponent(name)}`} aria-current={name === chosen ? 'true' : undefined}>
                  <span>{group ? name.slice(group.length + 1) : name}</span>
                  <span className="count">{count.toLocaleString()}</span>
                </Link>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </nav>
  )
}

/** Entities with an attribute, a page at a time. */
function Having({ attribute, at }: { attribute: string; at: number | null }) {
  const [rows, setRows] = useState<Cell[][] | null>(null)
  const [limit, setLimit] = useState(PAGE)
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    const controller = new AbortController()
    const q = `[:find ?entity ?value :in $ ?attribute :where [?entity ?attribute ?value] :limit ${limit + 1}]`
    const ask = () =>
      (at === null ? api.query(q, [attribute], controller.signal) : api.queryAsOf(at, q, [attribute], controller.signal)).then(
        (result) => {
          setError(null)
          if ('rows' in result) setRows(result.rows)
        },
        (cause: unknown) => {
          if (!controller.signal.aborted) setError(cause)
        },
      )
    const timer = setTimeout(() => void ask(), at === null ? 0 : SETTLED_MS)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [attribute, limit, at])
  return (
    <section className="having" aria-label={attribute}>
      <div className="having-head">
        <h2>
          <code>{attribute}</code>
        </h2>
        <Link to={`/query?q=${encodeURIComponent(`[:find ?entity ?value\n :where [?entity ${JSON.stringify(attribute)} ?value]\n :limit 100]`)}`} className="quiet-button">
          As a query
        </Link>
      </div>
      {error !== null && <ErrorNote error={error} />}
      {rows === null && error === null && <Loading what="Reading" />}
      {rows && (
        <div className="table-scroll" tabIndex={0} role="region" aria-label="Entities">
          <table className="results">
            <thead>
              <tr>
                <th scope="col">entity</th>
                <th scope="col">value</th>
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, limit).map(([entity, value], at) => (
                <tr key={at}>
                  <td>
                    <EntityName id={String(entity)} />
                  </td>
                  <td>
                    {typeof value === 'string' && value.startsWith('rz:') ? (
                      <EntityName id={value} />
                    ) : (
                      <span className="cell-text">{typeof value === 'object' ? JSON.stringify(value) : String(value)}</span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {rows && rows.length > limit && (
        <button type="button" className="button more" onClick={() => setLimit(limit + PAGE)}>
          Show more
        </button>
      )}
    </section>
  )
}
