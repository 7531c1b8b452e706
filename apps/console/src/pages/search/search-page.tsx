import { type FormEvent, useEffect, useRef, useState } from 'react'
import { api } from '../../api/http'
import type { SearchAnswer, SearchHit } from '../../api/types'
import { useAgain } from '../../data/again'
import { asTyped, hitPath, isAsking, steady, typesOf } from '../../data/search'
import { kindWords } from '../../data/words'
import { ErrorNote } from '../../parts/note'
import { Time } from '../../parts/time'
import { Link, navigate } from '../../router'

/** How long somebody pauses before what he typed is looked for. */
const PAUSE = 120
/** How long is waited after something was written: an import writes all the time. */
const AGAIN = 800
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
              {each ? kindWords(each, 2) : 'Everything'}
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
      <Link to={hitPath(hit)} className="search-hit">
        <span className="search-about">
          <b>{hit.type ? kindWords(hit.type, 1) : 'thing'}</b> <code>{hit.attribute}</code> {hit.created && <Time at={Date.parse(hit.created)} />}
        </span>
        <span className="search-excerpt" dir="auto">
          {hit.excerpt.map((part, at) => (part.hit ? <mark key={at}>{part.text}</mark> : <span key={at}>{part.text}</span>))}
        </span>
      </Link>
    </li>
  )
}

/** What is found. When something was written it is looked for again, at most once in a while; who is reading then keeps the place: what
    was found stays where it is. The last answer stays until there is another one. */
function useFound(text: string, type: string, limit: number, finished: boolean) {
  const [found, setFound] = useState<SearchAnswer | null>(null)
  const [types, setTypes] = useState<string[]>([])
  const [error, setError] = useState<unknown>(null)
  const ask = useRef<((again: boolean) => void) | null>(null)
  const soon = useAgain(
    () => ask.current?.(true),
    () => AGAIN,
  )
  useEffect(() => {
    if (!isAsking(text)) {
      setFound(null)
      setTypes([])
      setError(null)
      return
    }
    const controller = new AbortController()
    ask.current = (again) => {
      const q = finished ? text : asTyped(text)
      api.search({ q, limit, ...(type && { type }) }, controller.signal).then(
        (answer) => {
          setFound((before) => (again && before && isReading() ? { ...answer, hits: steady(before.hits, answer.hits) } : answer))
          setError(null)
          if (!type) setTypes(typesOf(answer.hits))
          else setTypes((before) => (before.includes(type) ? before : [...before, type]))
          if (!answer.complete) soon()
        },
        (cause: unknown) => {
          if (!controller.signal.aborted) setError(cause)
        },
      )
    }
    const later = setTimeout(() => ask.current?.(false), PAUSE)
    return () => {
      ask.current = null
      clearTimeout(later)
      controller.abort()
    }
  }, [text, type, limit, finished, soon])
  return { found, types, error }
}

/** Whether somebody has gone into what was found: by scrolling, or with the keyboard. */
function isReading(): boolean {
  return window.scrollY > 0 || document.activeElement?.closest('.search-hits') != null
}
