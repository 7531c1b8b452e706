import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { ApiError, api } from '../../api/http'
import type { ApiErrorBody, Cell, QueryResult } from '../../api/types'
import { useGroups, useShared } from '../../data/polled'
import { useRows } from '../../data/rows'
import { useStatus } from '../../data/status'
import { Icon } from '../../parts/icon'
import { OpenEntity } from '../../parts/value'
import { navigate } from '../../router'
import { toCsv } from './csv'
import { Editor } from './editor'
import { EXAMPLES } from './examples'
import { isIql } from './language'
import { ResultChart } from './result-chart'
import { shortDid } from '../../parts/who'
import { JsonView, ResultTable, type Row } from './results'

interface Ran {
  q: string
  result: QueryResult
  /** As seen from here, with the way there and back. */
  ms: number
}

const NOTHING_FRESH: ReadonlySet<string> = new Set()

export function QueryPage({ search }: { search: URLSearchParams }) {
  const [text, setText] = useState(() => search.get('q') ?? EXAMPLES[0]?.q ?? '')
  const [whose, setWhose] = useState(() => search.get('pod') ?? '')
  const [live, setLive] = useState(false)
  const [asked, setAsked] = useState<string | null>(null)
  const [ran, setRan] = useState<Ran | null>(null)
  const [error, setError] = useState<ApiErrorBody['error'] | null>(null)
  const [running, setRunning] = useState(false)
  const [view, setView] = useState<'table' | 'chart' | 'json'>('table')
  const abort = useRef<AbortController | null>(null)
  const watched = useRows(live && whose === '' && asked !== null ? asked : null)

  const run = useCallback(async (q: string, pod: string) => {
    abort.current?.abort()
    const controller = new AbortController()
    abort.current = controller
    setRunning(true)
    setError(null)
    setAsked(q)
    navigate(`/query?q=${encodeURIComponent(q)}${pod && `&pod=${encodeURIComponent(pod)}`}`, 'replace')
    const started = performance.now()
    try {
      const result = await api.query(q, [], controller.signal, pod)
      setRan({ q, result, ms: performance.now() - started })
    } catch (cause) {
      if (controller.signal.aborted) return
      setRan(null)
      if (cause instanceof ApiError) {
        setError({ code: cause.code, message: cause.message, ...(cause.position && { position: cause.position }), ...(cause.hint && { hint: cause.hint }) })
      } else setError({ code: 'unknown', message: String(cause) })
    } finally {
      if (!controller.signal.aborted) setRunning(false)
    }
  }, [])

  useEffect(() => () => abort.current?.abort(), [])
  const given = useRef({ q: search.get('q'), pod: whose })
  useEffect(() => {
    if (given.current.q) void run(given.current.q, given.current.pod)
  }, [run])
  const openTheirs = (id: string) => {
    const q = `[:find ?attribute ?value\n :where [${JSON.stringify(id)} ?attribute ?value]]`
    change(q)
    void run(q, whose)
  }

  const change = (value: string) => {
    setText(value)
    setError(null)
  }
  const isLive = live && whose === '' && watched.state === 'ready'
  const shownError = error ?? (live && whose === '' && watched.state === 'failed' ? watched.error : null)
  const once = ran?.result
  const table = useMemo(() => tableOf(once), [once])
  const nested = useMemo(() => {
    if (isLive && asked !== null && isIql(asked)) return nestedOf(watched.rows)
    return once && 'result' in once ? once.result : null
  }, [isLive, asked, watched.rows, once])
  const columns = isLive ? watched.columns : table?.columns
  const rows: readonly Row[] | undefined = isLive ? watched.rows : table?.rows

  return (
    <div className="page query">
      <div className="page-head">
        <h1>Query</h1>
        <p className="quiet">
          Ask your pod in Datalog, or in nested JSON. <kbd>Ctrl</kbd> <kbd>Enter</kbd> runs.
        </p>
      </div>
      <div className="examples" role="group" aria-label="Examples">
        {EXAMPLES.map((example) => (
          <button
            key={example.name}
            type="button"
            className="chip"
            title={example.about}
            onClick={() => {
              change(example.q)
              void run(example.q, whose)
            }}
          >
            {example.name}
          </button>
        ))}
      </div>
      <Editor
        value={text}
        error={shownError?.position ?? null}
        describedBy={shownError ? 'query-error' : undefined}
        onChange={change}
        onRun={() => void run(text, whose)}
      />
      {shownError && (
        <div id="query-error" className="note error" role="alert">
          <Icon name="warning" />
          <div>
            {shownError.position && (
              <p className="where">
                Line {shownError.position.line}, column {shownError.position.column}
              </p>
            )}
            <p>{shownError.message.replace(/^line \d+, column \d+: /, '')}</p>
            {shownError.hint && <p className="quiet">{shownError.hint}</p>}
          </div>
        </div>
      )}
      <div className="toolbar">
        <button type="button" className="button primary" onClick={() => void run(text, whose)}>
          <Icon name="play" size={16} /> Run
        </button>
        <label className="switch">
          <input
            type="checkbox"
            role="switch"
            checked={live && whose === ''}
            disabled={whose !== ''}
            onChange={(event) => {
              setLive(event.target.checked)
              if (event.target.checked) void run(text, whose)
            }}
          />
          <span>Live</span>
        </label>
        <WhosePod
          whose={whose}
          onChange={(pod) => {
            setWhose(pod)
            void run(text, pod)
          }}
        />
        <span className="timing" role="status">
          {running ? 'Running…' : rows ? `${rows.length.toLocaleString()} ${rows.length === 1 ? 'row' : 'rows'}` : ''}
          {!running && ran && !isLive && <Timing ran={ran} />}
          {isLive && <span className="live-note"> · kept up to date</span>}
        </span>
        <span className="spring" />
        {nested === null && rows && columns && (
          <>
            <div className="segmented" role="group" aria-label="View">
              <button type="button" aria-pressed={view === 'table'} onClick={() => setView('table')}>
                Table
              </button>
              <button type="button" aria-pressed={view === 'chart'} onClick={() => setView('chart')}>
                Chart
              </button>
              <button type="button" aria-pressed={view === 'json'} onClick={() => setView('json')}>
                JSON
              </button>
            </div>
            <button type="button" className="button" onClick={() => download(columns, rows)}>
              CSV
            </button>
          </>
        )}
      </div>
      <section aria-label="Result" className={running ? 'outcome running' : 'outcome'}>
        <OpenEntity value={whose === '' ? null : openTheirs}>
          {nested !== null && <JsonView value={nested} />}
          {nested === null && rows && columns && view === 'table' && (
            <ResultTable columns={columns} rows={rows} fresh={isLive ? watched.fresh : NOTHING_FRESH} />
          )}
          {nested === null && rows && columns && view === 'chart' && <ResultChart columns={columns} rows={rows} />}
          {nested === null && rows && columns && view === 'json' && <JsonView value={{ columns, rows: rows.map((row) => [...row.cells]) }} />}
        </OpenEntity>
      </section>
    </div>
  )
}

/** Whose tuples are asked: a choice only for those with whom somebody shares something. */
function WhosePod({ whose, onChange }: { whose: string; onChange: (pod: string) => void }) {
  const { value } = useShared()
  const own = useStatus()?.did
  const groups = useGroups().value?.groups ?? []
  const named = new Map(groups.map((each) => [each.group, each.name]))
  const people = [...new Set([...(value?.shared.map((each) => each.of) ?? []), ...named.keys()])]
  if (whose !== '' && whose !== 'all' && !people.includes(whose)) people.push(whose)
  if (people.length === 0 && whose === '') return null
  return (
    <label className="whose">
      <span>Whose data</span>
      <select value={whose} onChange={(event) => onChange(event.target.value)}>
        <option value="">yours</option>
        {people.map((did) => did !== own && (
          <option key={did} value={did} title={did}>
            {named.has(did) ? `the group ${named.get(did)}` : `shared by ${shortDid(did)}`}
          </option>
        ))}
        <option value="all">yours and all that is shared with you</option>
      </select>
    </label>
  )
}

function Timing({ ran }: { ran: Ran }) {
  const inside = ran.result.took_us
  return (
    <span>
      {' '}
      {inside !== undefined && <>· {duration(inside / 1000)} in the pod </>}· {duration(ran.ms)} in all
    </span>
  )
}

function duration(ms: number): string {
  return ms < 1 ? `${Math.round(ms * 1000)} µs` : ms < 100 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`
}

function tableOf(result: QueryResult | undefined): { columns: string[]; rows: Row[] } | null {
  if (!result || !('rows' in result)) return null
  return { columns: result.columns, rows: result.rows.map((cells, at) => ({ key: String(at), cells })) }
}

/** A nested result from its rows of namespace and object. */
function nestedOf(rows: readonly Row[]): Cell {
  const out: Record<string, Cell[]> = {}
  for (const { cells } of rows) (out[String(cells[0])] ??= []).push(cells[1] ?? null)
  return out
}

function download(columns: string[], rows: readonly Row[]): void {
  const body = toCsv(columns, rows.map((row): readonly Cell[] => row.cells))
  const url = URL.createObjectURL(new Blob(['\ufeff', body], { type: 'text/csv;charset=utf-8' }))
  const link = document.createElement('a')
  link.href = url
  link.download = 'result.csv'
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

