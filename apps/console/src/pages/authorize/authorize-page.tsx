import { useEffect, useRef, useState } from 'react'
import { ApiError, api } from '../../api/http'
import type { Ask, Status } from '../../api/types'
import { userCode } from '../../data/apps'
import { StatusContext } from '../../data/status'
import { Icon, Mark } from '../../parts/icon'
import { Loading, QuotedErrorNote } from '../../parts/note'
import { navigate } from '../../router'
import { Consent } from './consent'

/** Goes to where the app waits. Not by `assign`: there is nothing left to decide here, so “back” does not lead here. */
export function leave(to: string): void {
  window.location.replace(to)
}

/**
 * An app asks. Its page has sent the browser here, or a program shows a code; either way its words are only told by the pod, which has read
 * the address. No navigation: somebody who was sent here decides, or closes the tab.
 */
export function AuthorizePage({ search, onLeave = leave }: { search: URLSearchParams; onLeave?: (to: string) => void }) {
  const query = search.toString()
  const [ask, setAsk] = useState<Ask | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [status, setStatus] = useState<Status | null>(null)
  const isAsked = search.has('client_id') || search.has('user_code')
  useEffect(() => {
    document.title = 'An app asks · Rhizome'
  }, [])
  useEffect(() => {
    if (!isAsked) return
    const controller = new AbortController()
    // as it stands in the address, not as URLSearchParams writes it
    api.ask(window.location.search.replace(/^\?/, '') || query, controller.signal).then(setAsk, (cause: unknown) => {
      if (!controller.signal.aborted) setError(cause)
    })
    // only pictures need it
    api.status(controller.signal).then(setStatus, () => {})
    return () => controller.abort()
  }, [isAsked, query])
  return (
    <StatusContext value={status}>
      <main className="consent">
        <p className="consent-brand">
          <Mark size={22} /> Your pod
        </p>
        {!isAsked ? (
          <TypeCode />
        ) : error !== null ? (
          <Wrong error={error} isCode={search.has('user_code')} />
        ) : ask === null ? (
          <Loading what="Reading what it asks" />
        ) : (
          <Consent ask={ask} onLeave={onLeave} />
        )}
      </main>
    </StatusContext>
  )
}

/** Nobody is sent anywhere by a wrong request: its address may be somebody else's. */
function Wrong({ error, isCode }: { error: unknown; isCode: boolean }) {
  const isRequest = error instanceof ApiError && error.status >= 400 && error.status < 500
  return (
    <>
      <h1>{isCode ? 'This code is no good' : 'This cannot be asked'}</h1>
      <QuotedErrorNote error={error} />
      <p>{isRequest ? 'Nothing was given. You may close this page.' : 'Nothing was given.'}</p>
      {isCode && (
        <p>
          <button type="button" className="button" onClick={() => navigate('/authorize')}>
            Type another code
          </button>
        </p>
      )}
    </>
  )
}

/** For a program that has no browser and shows a code. */
export function TypeCode() {
  const [typed, setTyped] = useState('')
  const code = userCode(typed)
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  return (
    <>
      <h1>A program shows you a code?</h1>
      <p className="quiet">Type it here, and your pod tells you what that program asks for. Nothing is given yet.</p>
      <form
        className="type-code"
        onSubmit={(event) => {
          event.preventDefault()
          if (code.length === 9) navigate(`/authorize?user_code=${encodeURIComponent(code)}`)
        }}
      >
        <label htmlFor="user-code">The code</label>
        <input
          id="user-code"
          ref={field}
          className="mono"
          value={typed}
          placeholder="BCDF-GHJK"
          maxLength={24}
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          onChange={(event) => setTyped(event.target.value)}
        />
        <button type="submit" className="button" disabled={code.length !== 9}>
          <Icon name="right" size={16} />
          Look what it asks
        </button>
      </form>
    </>
  )
}
