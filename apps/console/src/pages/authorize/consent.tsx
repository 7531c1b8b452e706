import { useEffect, useId, useRef, useState } from 'react'
import { api } from '../../api/http'
import type { Ask, Preview, Sample } from '../../api/types'
import { appName, canWords, choices, type Decision, given, MAX_WHY, narrowed, originNote, theirs, type Until, untilChoices, untilDays } from '../../data/apps'
import { count } from '../../data/exchange'
import { attributes, isFault, readPredicate } from '../../data/predicate'
import { mainAttribute } from '../../data/sharing'
import { useBlobUrl } from '../../data/status'
import { Icon } from '../../parts/icon'
import { QuotedErrorNote } from '../../parts/note'
import { PredicateView } from '../../parts/predicate'
import { shortId } from '../../parts/value'

/** No click that was meant for another page reaches Allow: it waits, anew whenever the window comes to the front. */
export const ARM_MS = 700
const PAUSE_MS = 250

type End = 'allowed' | 'refused'

export function Consent({ ask, onLeave }: { ask: Ask; onLeave: (to: string) => void }) {
  const [decisions, setDecisions] = useState<Decision[]>(() => ask.scopes.map(({ can, problem }) => ({ can: problem ? null : can, also: '' })))
  const [seen, setSeen] = useState<(Preview & { both: string } | null)[]>(() => ask.scopes.map(() => null))
  const [until, setUntil] = useState<Until>('asked')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const [ended, setEnded] = useState<{ end: End; redirect: string | null } | null>(null)
  const head = useRef<HTMLHeadingElement>(null)
  const isArmed = useArmed()
  const id = useId()
  useEffect(() => head.current?.focus(), [ended])

  const scopes = ask.scopes.map((scope, at) => given(scope, decisions[at] ?? { can: null, also: '' }))
  const isSomething = scopes.some((scope) => scope !== null)
  // what matches is known of just what is to be given, and not of what was typed before
  const previews = ask.scopes.map((scope, at): Preview | null => {
    const both = narrowed(scope.where, decisions[at]?.also ?? '')
    if (both === scope.where) return scope
    const found = seen[at]
    return found && found.both === both ? found : null
  })
  const isSeen = scopes.every((scope, at) => scope === null || previews[at] !== null)

  const decide = (end: End) => {
    setBusy(true)
    setError(null)
    const said = end === 'allowed' ? api.allow(ask.request, scopes, untilDays(until, ask.days)) : api.deny(ask.request)
    said.then(
      ({ redirect }) => {
        const to = isBack(redirect, ask) ? redirect : null
        setEnded({ end, redirect: to })
        if (to !== null) onLeave(to)
      },
      (cause: unknown) => {
        setError(cause)
        setBusy(false)
      },
    )
  }

  if (ended) {
    return (
      <div role="status">
        <h1 ref={head} tabIndex={-1}>
          {ended.end === 'allowed' ? 'Allowed' : 'Refused'}
        </h1>
        <p>
          {ended.end === 'allowed' ? 'You can take it back at any time, on the page Apps of your pod.' : 'Nothing was given.'}{' '}
          {ended.redirect === null ? 'You may close this page.' : 'You are being sent back…'}
        </p>
      </div>
    )
  }
  return (
    <>
      <h1 ref={head} tabIndex={-1}>
        An app asks for a part of your data
      </h1>
      <Asker ask={ask} />
      <ol className="asked">
        {ask.scopes.map((scope, at) => (
          <li key={at}>
            <AskedFor
              scope={scope}
              heading={ask.scopes.length > 1 ? `What it wants, ${at + 1} of ${ask.scopes.length}` : 'What it wants'}
              decision={decisions[at] ?? { can: null, also: '' }}
              onDecide={(decision) => setDecisions((before) => before.map((each, i) => (i === at ? decision : each)))}
              preview={previews[at] ?? null}
              onSeen={(both, found) => setSeen((before) => before.map((each, i) => (i === at ? { ...found, both } : each)))}
            />
          </li>
        ))}
      </ol>
      <div className="share-field consent-until">
        <label htmlFor={`${id}-until`}>For how long</label>
        <select id={`${id}-until`} value={until} onChange={(event) => setUntil(event.target.value as Until)}>
          {untilChoices(ask.days).map(({ until: value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </div>
      <section className="never" aria-label="What it never gets">
        <h2>What it never gets</h2>
        <ul className="means">
          <li>your keys and your recovery words,</li>
          <li>anything that is not listed above, and not even how much else there is.</li>
        </ul>
        <p className="quiet">You can take it back at any time, on the page Apps. What it has read by then, it has.</p>
      </section>
      {error !== null && <QuotedErrorNote error={error} />}
      <div className="decide">
        <p id={`${id}-sum`} aria-live="polite">
          <Sum scopes={scopes.map((scope, at) => (scope ? { can: scope.can, matches: previews[at]?.matches ?? null } : null))} />
        </p>
        <div className="actions">
          <button type="button" className="button" disabled={busy} onClick={() => decide('refused')}>
            Refuse
          </button>
          <button
            type="button"
            className="button primary"
            disabled={busy || !isArmed || !isSomething || !isSeen}
            aria-describedby={`${id}-sum`}
            onClick={() => decide('allowed')}
          >
            {busy ? 'One moment…' : 'Allow'}
          </button>
        </div>
      </div>
    </>
  )
}

/** The browser is sent to nowhere but the page that asked. */
function isBack(redirect: string | null, { origin }: Ask): redirect is string {
  return redirect !== null && origin !== null && /^https?:\/\//.test(redirect) && URL.canParse(redirect) && new URL(redirect).origin === origin
}

/** True once the page has been in front for a while without a break. */
function useArmed(): boolean {
  const [isArmed, setArmed] = useState(false)
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>
    const wait = () => {
      setArmed(false)
      clearTimeout(timer)
      timer = setTimeout(() => setArmed(true), ARM_MS)
    }
    wait()
    const places = [
      [window, 'focus'],
      [window, 'pageshow'],
      [document, 'visibilitychange'],
    ] as const
    for (const [where, what] of places) where.addEventListener(what, wait)
    return () => {
      clearTimeout(timer)
      for (const [where, what] of places) where.removeEventListener(what, wait)
    }
  }, [])
  return isArmed
}

/** Who asks. A name can be anybody's; the address is where the answer goes, so it is what counts. */
function Asker({ ask }: { ask: Ask }) {
  const name = <q className="theirs">{appName(ask.name)}</q>
  if (ask.origin === null) {
    return (
      <section className="asker" aria-label="Who asks">
        <p className="asker-origin">A program on this machine</p>
        <p>It calls itself {name}. Programs can call themselves anything.</p>
        {ask.user_code !== null && (
          <>
            <p className="user-code" translate="no" aria-label="Its code">
              {ask.user_code}
            </p>
            <p>
              <b>Does the program that you started show this code?</b> If not, or if you started none, refuse.
            </p>
          </>
        )}
        {ask.known && <p className="quiet">You allowed this program something before. That ends with what you allow now.</p>}
      </section>
    )
  }
  const note = originNote(ask.origin)
  return (
    <section className="asker" aria-label="Who asks">
      <p className="asker-origin" translate="no">
        {ask.origin}
      </p>
      <p>
        It calls itself {name}. Anybody can take a name; only the address is certain. {note}
      </p>
      {ask.known && <p className="quiet">You allowed this app something before. That ends with what you allow now.</p>}
    </section>
  )
}

function AskedFor(props: {
  scope: Ask['scopes'][number]
  heading: string
  decision: Decision
  onDecide: (decision: Decision) => void
  preview: Preview | null
  onSeen: (both: string, preview: Preview) => void
}) {
  const { scope, decision, onDecide, preview } = props
  const id = useId()
  const isGiven = decision.can !== null
  const why = theirs(scope.why, MAX_WHY)
  return (
    <section className={isGiven ? 'scope' : 'scope not-given'} aria-labelledby={`${id}-head`}>
      <h2 id={`${id}-head`}>{props.heading}</h2>
      <p className="scope-what">
        <PredicateView where={scope.where} />
      </p>
      {why !== '' && (
        <figure className="in-its-words">
          <figcaption>Why, in its own words:</figcaption>
          <blockquote className="theirs">
            <q>{why}</q>
          </blockquote>
        </figure>
      )}
      {scope.problem ? (
        <div className="note">
          <Icon name="warning" />
          <p>
            This cannot be given: <q className="theirs">{theirs(scope.problem, MAX_WHY)}</q>
          </p>
        </div>
      ) : (
        <>
          <Matching preview={preview} of={scope.matches} isNarrowed={decision.also.trim() !== ''} />
          <fieldset className="powers">
            <legend>What it may do</legend>
            {choices(scope.can).map(({ power, label, means }) => (
              <label key={power} className="choice">
                <input type="radio" name={`${id}-can`} checked={decision.can === power} onChange={() => onDecide({ ...decision, can: power })} />
                <span>
                  <b>{label}</b>
                  <span className="quiet">{means}</span>
                </span>
              </label>
            ))}
            <label className="choice">
              <input type="radio" name={`${id}-can`} checked={!isGiven} onChange={() => onDecide({ ...decision, can: null })} />
              <span>
                <b>Nothing of this</b>
                <span className="quiet">As if there were none.</span>
              </span>
            </label>
          </fieldset>
          {isGiven && <Narrow scope={scope} also={decision.also} onAlso={(also) => onDecide({ ...decision, also })} onSeen={props.onSeen} />}
        </>
      )}
    </section>
  )
}

/** “Only those that also …”: a predicate of the person's own that is added, and what then still matches. */
function Narrow(props: { scope: { where: string }; also: string; onAlso: (also: string) => void; onSeen: (both: string, preview: Preview) => void }) {
  const { scope, also } = props
  const [error, setError] = useState<unknown>(null)
  const id = useId()
  const read = also.trim() === '' ? null : readPredicate(also)
  const both = narrowed(scope.where, also)
  const onSeen = useRef(props.onSeen)
  onSeen.current = props.onSeen
  useEffect(() => {
    setError(null)
    if (both === null || both === scope.where) return
    const controller = new AbortController()
    const timer = setTimeout(() => {
      api.preview(both, controller.signal).then(
        (found) => {
          if (!controller.signal.aborted) onSeen.current(both, found)
        },
        (cause: unknown) => {
          if (!controller.signal.aborted) setError(cause)
        },
      )
    }, PAUSE_MS)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [both, scope.where])
  return (
    <div className="share-field narrow">
      <label htmlFor={id}>Only those that also</label>
      <input
        id={id}
        className="mono"
        placeholder='photo-album: "garibaldi"'
        value={also}
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="none"
        aria-invalid={read !== null && isFault(read)}
        aria-describedby={`${id}-help`}
        onChange={(event) => props.onAlso(event.target.value)}
      />
      <p id={`${id}-help`} className={read !== null && isFault(read) ? 'field-error' : 'quiet'} role="status">
        {read === null
          ? 'An attribute and its value, if it is to get less than it asks for.'
          : isFault(read)
            ? `At character ${read.at + 1}: ${read.what}.`
            : 'It gets only what matches both.'}
      </p>
      {error !== null && <QuotedErrorNote error={error} />}
    </div>
  )
}

/** How many match now, and some of them. */
function Matching({ preview, of, isNarrowed }: { preview: Preview | null; of: number; isNarrowed: boolean }) {
  const read = preview ? readPredicate(preview.where) : null
  const known = read && !isFault(read) ? attributes(read) : []
  return (
    <div className="match" role="status">
      <p>
        {preview === null ? (
          <b>…</b>
        ) : preview.matches === 0 ? (
          <>
            <b>Nothing now.</b> It would get what matches later.
          </>
        ) : (
          <>
            <b>{count(preview.matches, 'entity', 'entities')} now</b>
            {isNarrowed && ` of the ${of.toLocaleString()} that it asks for`}, and what matches later.
          </>
        )}
      </p>
      {preview !== null && preview.sample.length > 0 && (
        <ul className="sample consent-sample" aria-label="Some of them">
          {preview.sample.map((each) => (
            <li key={each.id} title={each.id}>
              <SampleView sample={each} known={known} />
            </li>
          ))}
          {preview.matches > preview.sample.length && <li className="quiet">and {(preview.matches - preview.sample.length).toLocaleString()} more</li>}
        </ul>
      )}
    </div>
  )
}

function SampleView({ sample, known }: { sample: Sample; known: string[] }) {
  const values = Object.values(sample.state).flatMap((slot) => (Array.isArray(slot) ? slot : [slot]))
  const file = values.find((value) => typeof value === 'object' && 'blob' in value)
  const src = useBlobUrl(typeof file === 'object' && 'blob' in file ? file.blob : null)
  return (
    <>
      {src !== null && (
        <img
          src={src}
          alt=""
          className="sample-picture"
          onError={(event) => {
            event.currentTarget.hidden = true
          }}
        />
      )}
      {mainAttribute(sample.state, known) ?? shortId(sample.id)}
    </>
  )
}

/** What happens at a click on Allow, in one sentence. */
function Sum({ scopes }: { scopes: ({ can: Ask['scopes'][number]['can']; matches: number | null } | null)[] }) {
  const some = scopes.filter((scope) => scope !== null)
  if (some.length === 0) return <>You chose to give nothing, so there is nothing to allow.</>
  return (
    <>
      If you allow this, it may{' '}
      {some.map(({ can, matches }, at) => (
        <span key={at}>
          {at > 0 && (at === some.length - 1 ? ' and ' : ', ')}
          <b>
            {canWords(can)} {matches === null ? '…' : matches === 0 ? 'what matches later' : count(matches, 'entity', 'entities')}
          </b>
        </span>
      ))}
      .
    </>
  )
}
