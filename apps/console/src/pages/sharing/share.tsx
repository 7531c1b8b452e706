import { type FormEvent, useEffect, useId, useMemo, useRef, useState } from 'react'
import { api } from '../../api/http'
import type { Given, Power } from '../../api/types'
import { useEntity } from '../../data/entities'
import { count } from '../../data/exchange'
import { attributes, clauses, isFault, type Predicate, type PredicateFault, plainly, predicateWords, readPredicate } from '../../data/predicate'
import { grants, usePeers } from '../../data/polled'
import { endOfDay, mainAttribute, POWERS, powerWords } from '../../data/sharing'
import { useStatus } from '../../data/status'
import { shortDate } from '../../data/time'
import { Icon } from '../../parts/icon'
import { InvitationText } from '../../parts/invitation'
import { ErrorNote } from '../../parts/note'
import { shortId } from '../../parts/value'
import { entityPath, Link } from '../../router'
import { Who } from '../../parts/who'

type Until = 'none' | 'week' | 'month' | 'day'

const DAY = 24 * 60 * 60 * 1_000
type Made = Given & { invite?: string; sent: boolean }

/** Says what, how much and to whom; then shows the invitation, which is nowhere else. */
export function Share({ onClose }: { onClose: () => void }) {
  const [made, setMade] = useState<Made | null>(null)
  const again = () => setMade(null)
  return (
    <div className="panel">{made === null ? (
        <ShareForm onMade={setMade} onClose={onClose} />
      ) : made.invite === undefined ? (
        <Published made={made} onClose={onClose} />
      ) : (
        <Invitation made={{ ...made, invite: made.invite }} onAgain={again} onClose={onClose} />
      )}</div>
  )
}

function ShareForm({ onMade, onClose }: { onMade: (made: Made) => void; onClose: () => void }) {
  const [text, setText] = useState('')
  const [can, setCan] = useState<Power>('read')
  const [to, setTo] = useState('')
  const [anyone, setAnyone] = useState(false)
  const [until, setUntil] = useState<Until>('none')
  const [day, setDay] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const own = useStatus()?.did
  const isKept = usePeers().value?.peers.length !== 0
  const id = useId()
  const read = useMemo(() => readPredicate(text), [text])
  const isReady = isKept && !isFault(read) && (anyone || to.trim() !== '') && (until !== 'day' || day !== '')

  const submit = (event: FormEvent) => {
    event.preventDefault()
    const ends = untilMs(until, day)
    setBusy(true)
    setError(null)
    const terms = { where: text.trim(), ...(ends !== null && { until_ms: ends }) }
    const asked: Promise<Made> = anyone ? api.publish(terms) : api.grant({ ...terms, can, to: to.trim() })
    asked
      .then((made) => {
        grants.refresh()
        onMade(made)
      }, setError)
      .finally(() => setBusy(false))
  }
  return (
    <form className="share" aria-label="Share something" onSubmit={submit}>
      <div className="share-field">
        <label htmlFor={`${id}-where`}>What</label>
        <textarea
          id={`${id}-where`}
          className="mono"
          rows={2}
          placeholder='is-photo: true && photo-album: "garibaldi"'
          value={text}
          required
          autoFocus
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="none"
          aria-describedby={`${id}-match`}
          aria-invalid={text.trim() !== '' && isFault(read)}
          onChange={(event) => setText(event.target.value)}
        />
        <div id={`${id}-match`} className="match">
          {text.trim() === '' ? (
            <p className="quiet">
              Attributes and their values, as in <code>kind: photo</code> or <code>year &gt;= 2025</code>. Join them with <code>&amp;&amp;</code> and{' '}
              <code>||</code>.
            </p>
          ) : isFault(read) ? (
            <FaultAt text={text} fault={read} />
          ) : (
            <Matches predicate={read} />
          )}
        </div>
      </div>
      <fieldset>
        <legend>With whom</legend>
        {[false, true].map((each) => (
          <label key={String(each)} className="choice">
            <input type="radio" name={`${id}-whom`} checked={anyone === each} onChange={() => setAnyone(each)} />
            <span>
              <b>{each ? 'Anyone' : 'Somebody'}</b>
              <span className="quiet">
                {each
                  ? 'It is public: whoever knows your DID can follow it and read it, and so can the peers that keep it. What they have they keep, also when you take it back.'
                  : 'One person, whom you name. Nobody else can read it, nor can the peers that keep it.'}
              </span>
            </span>
          </label>
        ))}
      </fieldset>
      {!anyone && (
        <fieldset>
          <legend>What they may do</legend>
          {POWERS.map(({ power, label, means }) => (
            <label key={power} className="choice">
              <input type="radio" name={`${id}-can`} value={power} checked={can === power} onChange={() => setCan(power)} />
              <span>
                <b>{label}</b>
                <span className="quiet">{means}</span>
              </span>
            </label>
          ))}
        </fieldset>
      )}
      {!anyone && (
        <div className="share-field">
          <label htmlFor={`${id}-to`}>Their DID</label>
          <input
            id={`${id}-to`}
            className="mono"
            placeholder="did:rhizome:…"
            value={to}
            required
            spellCheck={false}
            autoComplete="off"
            autoCapitalize="none"
            aria-describedby={`${id}-to-help`}
            onChange={(event) => setTo(event.target.value)}
          />
          <p id={`${id}-to-help`} className={own && to.trim() === own ? 'field-error' : 'quiet'}>
            {own && to.trim() === own ? 'That is your own. Your devices have everything already.' : 'They find it at the top of their own Sharing page.'}
          </p>
        </div>
      )}
      <div className="share-field">
        <label htmlFor={`${id}-until`}>Until</label>
        <div className="until-row">
          <select id={`${id}-until`} value={until} onChange={(event) => setUntil(event.target.value as Until)}>
            <option value="none">I take it back</option>
            <option value="week">in a week</option>
            <option value="month">in a month</option>
            <option value="day">the end of a day…</option>
          </select>
          {until === 'day' && (
            <input type="date" aria-label="The last day" value={day} min={today()} required onChange={(event) => setDay(event.target.value)} />
          )}
        </div>
      </div>
      {!isKept && (
        <div className="note">
          <Icon name="warning" />
          <div>
            <p>No peer keeps your pod, so there is no place where they could get it.</p>
            <p className="quiet">
              <Link to="/devices">Add one</Link> first. A cloud peer will do: it can read none of it.
            </p>
          </div>
        </div>
      )}
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="submit" className="button primary" disabled={busy || !isReady}>
          {busy ? 'Sharing…' : anyone ? 'Make it public' : 'Share'}
        </button>
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </form>
  )
}

function untilMs(until: Until, day: string): number | null {
  if (until === 'week') return Date.now() + 7 * DAY
  if (until === 'month') return Date.now() + 30 * DAY
  return until === 'day' ? endOfDay(day) : null
}

function today(): string {
  const now = new Date()
  return [now.getFullYear(), String(now.getMonth() + 1).padStart(2, '0'), String(now.getDate()).padStart(2, '0')].join('-')
}

/** What was typed, with the place from which it cannot be read. */
function FaultAt({ text, fault }: { text: string; fault: PredicateFault }) {
  const from = Math.min(fault.at, text.length)
  const to = from + (/^(\S+|\s*)/.exec(text.slice(from))?.[0].length || 1)
  return (
    <div role="status">
      <code className="fault-text" aria-hidden="true">
        {text.slice(0, from)}
        <span className={from >= text.length ? 'mark-error at-end' : 'mark-error'}>{text.slice(from, to) || ' '}</span>
        {text.slice(to)}
      </code>
      <p className="field-error">
        At character {from + 1}: {fault.what}.
      </p>
    </div>
  )
}

interface Found {
  predicate: Predicate
  total: number
  sample: string[]
}

const SAMPLE = 5
const PAUSE_MS = 250

/** How many match now, and five of them. */
function Matches({ predicate }: { predicate: Predicate }) {
  const [found, setFound] = useState<Found | null>(null)
  const [error, setError] = useState<unknown>(null)
  const where = clauses(predicate)
  useEffect(() => {
    const controller = new AbortController()
    const ask = (q: string) => api.query(q, [], controller.signal)
    const timer = setTimeout(() => {
      Promise.all([ask(`[:find (count ?e) :where ${where}]`), ask(`[:find ?e :where ${where} :limit ${SAMPLE}]`)]).then(
        ([total, sample]) => {
          if (!('rows' in total) || !('rows' in sample)) return
          setError(null)
          setFound({ predicate, total: Number(total.rows[0]?.[0] ?? 0), sample: sample.rows.map(([e]) => String(e)) })
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
    // the text of the query says all of the predicate
  }, [where])
  if (error !== null) return <ErrorNote error={error} />
  const known = found && clauses(found.predicate) === where ? found : null
  return (
    <>
      <p role="status" className={known?.total === 0 ? 'match-none' : undefined}>
        Everything whose {plainly(predicate)}:{' '}
        <b>{known ? (known.total === 0 ? 'nothing now' : `${count(known.total, 'entity', 'entities')} now`) : '…'}</b>
        {known?.total === 0 && '. It holds for what comes later too, but look whether it is spelled as in your data.'}
      </p>
      {known && known.sample.length > 0 && (
        <ul className="sample" aria-label="Some of them">
          {known.sample.map((id) => (
            <li key={id}>
              <Sample id={id} known={attributes(predicate)} />
            </li>
          ))}
          {known.total > known.sample.length && <li className="quiet">and {(known.total - known.sample.length).toLocaleString()} more</li>}
        </ul>
      )}
    </>
  )
}

function Sample({ id, known }: { id: string; known: string[] }) {
  const state = useEntity(id)?.state
  return (
    <Link to={entityPath(id)} title={id}>
      {(state && mainAttribute(state, known)) ?? shortId(id)}
    </Link>
  )
}

function Published({ made, onClose }: { made: Made; onClose: () => void }) {
  const own = useStatus()?.did
  const head = useRef<HTMLHeadingElement>(null)
  useEffect(() => head.current?.focus(), [])
  return (
    <div className="invitation">
      <h3 ref={head} tabIndex={-1}>
        <Icon name="check" size={20} /> It is public
      </h3>
      <p>
        {predicateWords(made.where)}: anyone may read{made.until_ms !== null && ` until ${shortDate(made.until_ms)}`}.
      </p>
      {own && (
        <p>
          Others follow you by your DID, and by a peer that keeps your pod: <Who did={own} label="Copy your DID" />
        </p>
      )}
      {!made.sent && <NotSent />}
      <div className="actions">
        <button type="button" className="button primary" onClick={onClose}>
          Done
        </button>
      </div>
    </div>
  )
}

/** The peers do not have it yet. */
function NotSent() {
  return (
    <div className="note" role="alert">
      <Icon name="warning" />
      <div>
        <p>It is not yet where they can get it.</p>
        <p className="quiet">
          The <Link to="/devices">peers</Link> that keep your pod do not answer. It goes there by itself once one does.
        </p>
      </div>
    </div>
  )
}

function Invitation({ made, onAgain, onClose }: { made: Made & { invite: string }; onAgain: () => void; onClose: () => void }) {
  const head = useRef<HTMLHeadingElement>(null)
  useEffect(() => head.current?.focus(), [])
  return (
    <div className="invitation">
      <h3 ref={head} tabIndex={-1}>
        <Icon name="check" size={20} /> Now hand over the invitation
      </h3>
      <p>
        {predicateWords(made.where)}: <Who did={made.to} /> may {powerWords(made.can)}
        {made.until_ms !== null && ` until ${shortDate(made.until_ms)}`}.
      </p>
      <p>
        <b>For them alone, by a way others do not read.</b> Whoever has it can read what you share, until you take it back. It is shown only now.
      </p>
      <InvitationText invite={made.invite} sent={made.sent} />
      <div className="actions">
        <button type="button" className="button primary" onClick={onClose}>
          I have handed it over
        </button>
        <button type="button" className="button" onClick={onAgain}>
          Share something else
        </button>
      </div>
    </div>
  )
}
