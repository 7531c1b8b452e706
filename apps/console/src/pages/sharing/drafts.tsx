import { type FormEvent, useId, useMemo, useState, useSyncExternalStore } from 'react'
import { api } from '../../api/http'
import type { Draft, DraftDiff, EntityId, Value } from '../../api/types'
import { calledIn, changedSince, saying } from '../../data/drafts'
import { count } from '../../data/exchange'
import { drafts, Poll, useDrafts, useShared } from '../../data/polled'
import { Icon } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { Time } from '../../parts/time'
import { EntityName, ValueView } from '../../parts/value'
import { shortDid, Who } from '../../parts/who'
import { usePlace } from '../../router'
import { After, Before } from './proposals'

const EVERY_MS = 3_000

/** Changes that are not made yet. */
export function DraftList() {
  const { value, error } = useDrafts()
  const about = usePlace().search.get('about')
  const [beginning, setBeginning] = useState(false)
  const open = value?.drafts.filter((each) => each.state === 'open') ?? []
  const closed = value?.drafts.filter((each) => each.state !== 'open') ?? []
  return (
    <section aria-labelledby="drafts">
      <div className="section-head">
        <h2 id="drafts">
          Drafts {open.length > 0 && <span className="count">{open.length}</span>}
        </h2>
        {!beginning && (
          <button type="button" className="button small" onClick={() => setBeginning(true)}>
            <Icon name="plus" size={16} />
            Begin a draft
          </button>
        )}
      </div>
      {beginning && <Begin onClose={() => setBeginning(false)} />}
      {error !== null && !value && <ErrorNote error={error} />}
      {!value && error === null && <Loading what="Reading" />}
      {value && open.length === 0 && !beginning && <p className="quiet">Changes that you think about, beside your data. Only your devices see them.</p>}
      <ul className="cards">
        {open.map((draft) => (
          <DraftRow key={draft.name} draft={draft} about={about} />
        ))}
      </ul>
      {closed.length > 0 && (
        <details className="ended">
          <summary>
            Adopted or dropped <span className="count">{closed.length}</span>
          </summary>
          <ul className="cards">
            {closed.map((draft) => (
              <ClosedRow key={draft.name} draft={draft} />
            ))}
          </ul>
        </details>
      )}
    </section>
  )
}

/** Something that takes a moment, and may fail. */
function useWork(): { busy: boolean; error: unknown; work: (doing: Promise<unknown>, then?: () => void) => void } {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const work = (doing: Promise<unknown>, then?: () => void) => {
    setBusy(true)
    setError(null)
    doing
      .then(() => {
        drafts.refresh()
        then?.()
      }, setError)
      .finally(() => setBusy(false))
  }
  return { busy, error, work }
}

/** Those who share something, each once. */
function useSharers(): string[] {
  const { value } = useShared()
  return [...new Set(value?.shared.filter((each) => each.can !== null).map((each) => each.of))]
}

function Begin({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('')
  const [of, setOf] = useState('')
  const { busy, error, work } = useWork()
  const sharers = useSharers()
  const id = useId()
  const begin = (event: FormEvent) => {
    event.preventDefault()
    work(api.newDraft(name.trim(), of === '' ? null : of), onClose)
  }
  return (
    <div className="panel">
      <form className="share" aria-label="Begin a draft" onSubmit={begin}>
        <div className="share-field">
          <label htmlFor={`${id}-name`}>Name</label>
          <input id={`${id}-name`} value={name} required maxLength={100} autoFocus autoComplete="off" onChange={(event) => setName(event.target.value)} />
        </div>
        {sharers.length > 0 && (
          <div className="share-field">
            <label htmlFor={`${id}-of`}>Of</label>
            <select id={`${id}-of`} value={of} onChange={(event) => setOf(event.target.value)}>
              <option value="">your data</option>
              {sharers.map((did) => (
                <option key={did} value={did}>
                  what {shortDid(did)} shares
                </option>
              ))}
            </select>
          </div>
        )}
        {error !== null && <ErrorNote error={error} />}
        <div className="actions">
          <button type="submit" className="button primary" disabled={busy || name.trim() === ''}>
            Begin
          </button>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </div>
  )
}

function DraftRow({ draft, about }: { draft: Draft; about: string | null }) {
  const [isOpen, setOpen] = useState(about !== null)
  const [proposing, setProposing] = useState(false)
  const { busy, error, work } = useWork()
  const [kept, setKept] = useState<string[]>([])
  const id = useId()
  const undo = () =>
    work(
      api.undoDraft(draft.name).then(({ kept }) => setKept(kept.map((each) => each.attribute))),
    )
  return (
    <li className="card" data-draft={draft.name}>
      <Icon name="edit" size={22} />
      <div className="card-body">
        <h3>
          <button type="button" className="link-button" aria-expanded={isOpen} aria-controls={id} onClick={() => setOpen(!isOpen)}>
            {draft.name}
          </button>
        </h3>
        <p className="card-facts">
          {draft.of !== null && (
            <span>
              of what <Who did={draft.of} /> shares
            </span>
          )}
          <span>{draft.changes === 0 ? 'says nothing yet' : `${count(draft.changes, 'change')} to ${count(draft.entities, 'entity', 'entities')}`}</span>
          <span>
            begun <Time at={draft.made_ms} />
          </span>
          {draft.proposed_ms !== null && <span className="tag-word">proposed</span>}
          {draft.adopted > 0 && <span className="tag-word">adopted in part</span>}
        </p>
        {isOpen && (
          <div id={id} className="draft-open">
            <Says draft={draft} />
            <Say draft={draft} about={about} />
          </div>
        )}
        {error !== null && <ErrorNote error={error} />}
        {proposing && <Propose draft={draft} onClose={() => setProposing(false)} />}
        <div className="actions">
          {draft.of === null && draft.changes > 0 && (
            <button type="button" className="button primary small" disabled={busy} onClick={() => work(api.adoptDraft(draft.name))}>
              {draft.adopted > 0 ? 'Adopt the rest' : 'Adopt all'}
            </button>
          )}
          {draft.changes > 0 && !proposing && (
            <button type="button" className={draft.of === null ? 'button small' : 'button primary small'} onClick={() => setProposing(true)}>
              Propose…
            </button>
          )}
          {draft.adopted > 0 && (
            <button type="button" className="button small" disabled={busy} title="As it was before; what was changed since stays" onClick={undo}>
              Undo the adoption
            </button>
          )}
          <button type="button" className="button small" disabled={busy} onClick={() => work(api.dropDraft(draft.name, false))}>
            Drop
          </button>
        </div>
        {kept.length > 0 && <p className="quiet">Changed since, and so left as it is: {kept.join(', ')}.</p>}
      </div>
    </li>
  )
}

function ClosedRow({ draft }: { draft: Draft }) {
  const { busy, error, work } = useWork()
  return (
    <li className="card" data-draft={draft.name}>
      <Icon name="edit" size={22} />
      <div className="card-body">
        <h3>{draft.name}</h3>
        <p className="card-facts">
          <span className="tag-word">{draft.state}</span>
        </p>
        {error !== null && <ErrorNote error={error} />}
        <div className="actions">
          {draft.state === 'adopted' && (
            <button type="button" className="button small" disabled={busy} title="As it was before; what was changed since stays" onClick={() => work(api.undoDraft(draft.name))}>
              Undo the adoption
            </button>
          )}
          <button type="button" className="button small" disabled={busy} onClick={() => work(api.dropDraft(draft.name, true))}>
            Erase for good
          </button>
        </div>
      </div>
    </li>
  )
}

/** What it would change, kept up to date. */
function Says({ draft }: { draft: Draft }) {
  const { name, changes } = draft
  // anew whenever it says something else
  const poll = useMemo(() => new Poll<DraftDiff>((signal) => api.draftDiff(name, signal), EVERY_MS), [name, changes])
  const { value, error } = useSyncExternalStore(poll.subscribe, poll.snapshot)
  const { busy, error: failed, work } = useWork()
  if (error !== null && !value) return <ErrorNote error={error} />
  if (!value) return <Loading what="Comparing" />
  const since = changedSince(value)
  const adopt = (entity: EntityId) => work(api.adoptDraft(name, entity), poll.refresh)
  return (
    <>
      {value.entities.length === 0 && changes > 0 && <p className="quiet">It says nothing else than what is there by now.</p>}
      {since > 0 && (
        <p className="why" role="status">
          Changed since you wrote it here: {count(since, 'attribute')}. Look before you adopt.
        </p>
      )}
      {failed !== null && <ErrorNote error={failed} />}
      {value.entities.map((each) => (
        <div key={each.entity} className="difference">
          <div className="difference-head">
            {each.new ? (
              <b>{calledIn(each) ?? 'A new entity'}</b>
            ) : (
              <EntityName id={each.entity} />
            )}
            {each.new && <span className="tag-word">new</span>}
            {draft.of === null && value.entities.length > 1 && (
              <button type="button" className="quiet-button" disabled={busy} title="The rest stays in the draft" onClick={() => adopt(each.entity)}>
                <Icon name="check" size={16} />
                Adopt only this
              </button>
            )}
          </div>
          <dl>
            {each.attributes.map((place) => (
              <div key={place.attribute} className="step">
                <dt>{place.attribute}</dt>
                <dd>
                  {!each.new && <Before values={place.base} />}
                  {place.draft.length === 0 ? <span className="quiet">nothing</span> : <After values={place.draft} />}
                  {place.changed && (
                    <p className="why">
                      Changed since: it was <Plain values={place.then} /> when you wrote this.
                    </p>
                  )}
                </dd>
              </div>
            ))}
          </dl>
        </div>
      ))}
    </>
  )
}

function Plain({ values }: { values: Value[] }) {
  if (values.length === 0) return <>nothing</>
  return values.map((value, at) => (
    <span key={at}>
      {at > 0 && ', '}
      <ValueView value={value} />
    </span>
  ))
}

/** One more thing that it says. */
function Say({ draft, about }: { draft: Draft; about: string | null }) {
  const [entity, setEntity] = useState(about ?? '')
  const [what, setWhat] = useState('')
  const [text, setText] = useState('')
  const { busy, error, work } = useWork()
  const id = useId()
  const isEntity = entity.trim() === '' || /^rz:[a-z2-7]{39}$/.test(entity.trim())
  const say = async () => {
    let before: Value | undefined
    if (entity.trim() !== '') {
      // as what is there now: a number stays a number
      const q = `[:find ?v :where [${JSON.stringify(entity.trim())} ${JSON.stringify(what.trim())} ?v] :limit 1]`
      const found = await api.queryDraft(draft.name, q)
      before = 'rows' in found ? (found.rows[0]?.[0] as Value | undefined) : undefined
    }
    const change = saying(entity.trim(), what.trim(), text, before)
    if (change === null) throw new Error(before === undefined ? 'There is nothing in it.' : `That is a ${typeof before}: ${JSON.stringify(before)} now.`)
    await api.draftTx(draft.name, [change])
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    work(say(), () => {
      setWhat('')
      setText('')
    })
  }
  return (
    <form className="draft-say" aria-label={`Say something in ${draft.name}`} onSubmit={submit}>
      <div className="share-field">
        <label htmlFor={`${id}-of`}>Of</label>
        <input
          id={`${id}-of`}
          className="mono"
          value={entity}
          placeholder="rz:… or nothing: a new entity"
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="none"
          aria-invalid={!isEntity}
          onChange={(event) => setEntity(event.target.value)}
        />
        {!isEntity && <p className="field-error">The id of an entity: rz: and 39 letters or digits.</p>}
      </div>
      <div className="more-row">
        <div className="share-field">
          <label htmlFor={`${id}-what`}>What</label>
          <input id={`${id}-what`} value={what} placeholder="title" required autoCapitalize="none" autoComplete="off" onChange={(event) => setWhat(event.target.value)} />
        </div>
        <div className="share-field">
          <label htmlFor={`${id}-is`}>Is</label>
          <input id={`${id}-is`} value={text} placeholder={entity.trim() === '' ? '' : 'nothing: take it away'} autoComplete="off" onChange={(event) => setText(event.target.value)} />
        </div>
      </div>
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="submit" className="button small" disabled={busy || !isEntity || what.trim() === '' || (entity.trim() === '' && text.trim() === '')}>
          {busy ? 'Saving…' : 'Say it in the draft'}
        </button>
      </div>
    </form>
  )
}

function Propose({ draft, onClose }: { draft: Draft; onClose: () => void }) {
  const sharers = useSharers()
  const [chosen, setChosen] = useState('')
  const [comment, setComment] = useState('')
  const { busy, error, work } = useWork()
  const id = useId()
  const to = draft.of ?? (chosen || sharers[0] || '')
  const propose = (event: FormEvent) => {
    event.preventDefault()
    work(api.proposeDraft(draft.name, to, comment.trim()), onClose)
  }
  if (to === '') {
    return (
      <p className="quiet">
        Proposals go to people who share something with you. Nobody does.{' '}
        <button type="button" className="link-button" onClick={onClose}>
          Close
        </button>
      </p>
    )
  }
  return (
    <form className="draft-say" aria-label={`Propose ${draft.name}`} onSubmit={propose}>
      {draft.of === null ? (
        <div className="share-field">
          <label htmlFor={`${id}-to`}>To</label>
          <select id={`${id}-to`} value={to} onChange={(event) => setChosen(event.target.value)}>
            {sharers.map((did) => (
              <option key={did} value={did}>
                {shortDid(did)}
              </option>
            ))}
          </select>
        </div>
      ) : (
        <p>
          To <Who did={draft.of} />
        </p>
      )}
      <div className="share-field">
        <label htmlFor={`${id}-comment`}>What you say about it</label>
        <input id={`${id}-comment`} value={comment} autoFocus autoComplete="off" onChange={(event) => setComment(event.target.value)} />
      </div>
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="submit" className="button primary small" disabled={busy}>
          {busy ? 'Proposing…' : 'Propose'}
        </button>
        <button type="button" className="button small" onClick={onClose}>
          Cancel
        </button>
      </div>
    </form>
  )
}
