import { type FormEvent, useEffect, useRef, useState } from 'react'
import { api } from '../../api/http'
import type { SearchAnswer, SearchHit } from '../../api/types'
import { asTyped, isAsking, typesOf } from '../../data/search'
import { useStatus } from '../../data/status'
import { ErrorNote } from '../../parts/note'
import { Time } from '../../parts/time'
import { entityPath, Link, navigate } from '../../router'

/** How long somebody pauses before what he typed is looked for. */
const PAUSE = 120
const MORE = 50

function pathOf(text: string, type: string): string {
  const parameters = new URLSearchParams()
  if (text) parameters.set('q', text)
  if (type) parameters.set('type', type)
  const written = parameters.toString()
  return written ? `/search?${written}` : '/search'
}

/** Words in all that is here; the address says what is looked for, so that it can be gone back to. */
export function SearchPage({ search }: { search: URLSearchParams }) {
  const [text, setText] = useState(search.get('q') ?? '')
  const [type, setType] = useState(search.get('type') ?? '')
  const [limit, setLimit] = useState(MORE)
  const [finished, setFinished] = useState(false)
  const { found, types, error } = useFound(text, type, limit, finished)
  const field = useRef<HTMLInputElement>(null)

  useEffect(() => {
    // after the page has taken the focus for those who listen
    const later = setTimeout(() => field.current?.focus(), 0)
    return () => clearTimeout(later)
  }, [])
  useEffect(() => navigate(pathOf(text, type), 'replace'), [text, type])

  const submit = (event: FormEvent) => {
    event.preventDefault()
    setFinished(true)
  }
  const asking = isAsking(text)
  return (
    <div className="page search">
      <div className="page-head">
        <h1>Search</h1>
      </div>
      <form role="search" onSubmit={submit}>
        <input
          ref={field}
          id="search-field"
          type="search"
          value={text}
          maxLength={500}
          placeholder="Words, “a phrase”, -not this"
          aria-label="What to look for"
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => {
            setText(event.target.value)
            setLimit(MORE)
            setFinished(false)
          }}
        />
      </form>
      {asking && types.length > 0 && (
        <div className="search-types" role="group" aria-label="Only of one type">
          {['', ...types].map((each) => (
            <button key={each} type="button" className="chip" aria-pressed={type === each} onClick={() => setType(each)}>
              {each || 'Everything'}
            </button>
          ))}
        </div>
      )}
      {error !== null && <ErrorNote error={error} />}
      <p className="quiet" role="status">
        {asking && found && summary(found, limit)}
      </p>
      {asking && found && (
        <ol className="search-hits">
          {found.hits.map((hit) => (
            <Hit key={hit.entity} hit={hit} />
          ))}
        </ol>
      )}
      {asking && found && found.hits.length === limit && limit < 1000 && (
        <button type="button" className="button" onClick={() => setLimit(Math.min(1000, limit * 4))}>
          More
        </button>
      )}
    </div>
  )
}

function summary(found: SearchAnswer, limit: number): string {
  const n = found.hits.length
  const count = n === 0 ? 'Nothing found' : n === limit ? `The best ${n}` : `${n} found`
  return found.complete ? count : `${count}; the pod is still reading, so there may be more`
}

function Hit({ hit }: { hit: SearchHit }) {
  return (
    <li>
      <Link to={entityPath(hit.entity)} className="search-hit">
        <span className="search-about">
          <b>{hit.type ?? 'entity'}</b> <code>{hit.attribute}</code> {hit.created && <Time at={Date.parse(hit.created)} />}
        </span>
        <span className="search-excerpt" dir="auto">
          {hit.excerpt.map((part, at) => (part.hit ? <mark key={at}>{part.text}</mark> : <span key={at}>{part.text}</span>))}
        </span>
      </Link>
    </li>
  )
}

/** What is found, looked for again when something was written. The last answer stays until there is another one. */
function useFound(text: string, type: string, limit: number, finished: boolean) {
  const commits = useStatus()?.commits
  const [found, setFound] = useState<SearchAnswer | null>(null)
  const [types, setTypes] = useState<string[]>([])
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    if (!isAsking(text)) {
      setFound(null)
      setTypes([])
      setError(null)
      return
    }
    const controller = new AbortController()
    const later = setTimeout(() => {
      const q = finished ? text : asTyped(text)
      api.search({ q, limit, ...(type && { type }) }, controller.signal).then(
        (answer) => {
          setFound(answer)
          setError(null)
          if (!type) setTypes(typesOf(answer.hits))
          else setTypes((before) => (before.includes(type) ? before : [...before, type]))
        },
        (cause: unknown) => {
          if (!controller.signal.aborted) setError(cause)
        },
      )
    }, PAUSE)
    return () => {
      clearTimeout(later)
      controller.abort()
    }
  }, [text, type, limit, finished, commits])
  return { found, types, error }
}
