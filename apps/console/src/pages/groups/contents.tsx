import { type FormEvent, useId, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { api } from '../../api/http'
import type { Cell, Group, GroupContents, GroupEntity } from '../../api/types'
import { addition, edits, type Field, fields, firstFile, takeAway, typed } from '../../data/groups'
import { Poll } from '../../data/polled'
import { lookAround, lookQuery, mainAttribute } from '../../data/sharing'
import { useBlobUrl } from '../../data/status'
import { Dialog } from '../../parts/dialog'
import { Icon } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { Time } from '../../parts/time'
import { OpenEntity, shortId, ValueView } from '../../parts/value'
import { shortDid } from '../../parts/who'
import { navigate } from '../../router'

const PAGE = 100
const EVERY_MS = 2_000
/** Files up to this size are brought from the page. */
const MAX_FILE = 64 << 20

/** What is in a group, kept up to date, with what somebody needs to change it. */
export function Contents({ group, own, canWrite }: { group: Group; own: string | null; canWrite: boolean }) {
  const [adding, setAdding] = useState(false)
  const limit = useRef(PAGE)
  const poll = useMemo(() => new Poll<GroupContents>((signal) => api.inGroup(group.group, limit.current, signal), EVERY_MS), [group.group])
  const { value, error } = useSyncExternalStore(poll.subscribe, poll.snapshot)
  const write = async (operations: Parameters<typeof api.transact>[0]) => {
    await api.transact(operations, group.group)
    poll.refresh()
  }
  const query = (found: Cell[][]) => navigate(`/query?q=${encodeURIComponent(lookQuery('', found))}&pod=${encodeURIComponent(group.group)}`)
  const look = () => {
    api.query(lookAround(''), [], undefined, group.group).then(
      (result) => query('rows' in result ? result.rows : []),
      // the page of queries says what is wrong
      () => query([]),
    )
  }
  const lookAt = (id: string) =>
    navigate(`/query?q=${encodeURIComponent(`[:find ?attribute ?value\n :where [${JSON.stringify(id)} ?attribute ?value]]`)}&pod=${encodeURIComponent(group.group)}`)
  return (
    <section aria-labelledby="inside">
      <div className="section-head">
        <h2 id="inside">
          What is in it{' '}
          {value && value.entities.length > 0 && (
            <span className="count">
              {value.entities.length.toLocaleString()}
              {value.more && '+'}
            </span>
          )}
        </h2>
        <span className="head-actions">
          {value && value.entities.length > 0 && (
            <button type="button" className="quiet-button" onClick={look}>
              <Icon name="query" size={16} />
              As a table
            </button>
          )}
          {canWrite && !adding && (
            <button type="button" className="button primary small" onClick={() => setAdding(true)}>
              <Icon name="plus" size={16} />
              Add something
            </button>
          )}
        </span>
      </div>
      {adding && <Add write={write} onClose={() => setAdding(false)} />}
      {error !== null && <ErrorNote error={error} />}
      {!value && error === null && <Loading what="Reading" />}
      {value && value.entities.length === 0 && !adding && <p className="quiet">{canWrite ? 'Nothing yet. What you add, everybody here has at once.' : 'Nothing yet.'}</p>}
      <OpenEntity value={lookAt}>
        <ul className="cards">
          {value?.entities.map((entity) => (
            <EntityRow key={entity.id} entity={entity} own={own} write={canWrite ? write : null} />
          ))}
        </ul>
      </OpenEntity>
      {value?.more && (
        <button
          type="button"
          className="button more"
          onClick={() => {
            limit.current += PAGE
            poll.refresh()
          }}
        >
          Show more
        </button>
      )}
    </section>
  )
}

type Write = (operations: Parameters<typeof api.transact>[0]) => Promise<void>

function EntityRow({ entity, own, write }: { entity: GroupEntity; own: string | null; write: Write | null }) {
  const [open, setOpen] = useState(false)
  const id = useId()
  const title = mainAttribute(entity.state, []) ?? shortId(entity.id)
  return (
    <li className="card inside" data-entity={entity.id}>
      <Picture cid={firstFile(entity.state)} />
      <div className="card-body">
        <h3>
          <button type="button" className="link-button" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
            {title}
          </button>
        </h3>
        <p className="card-facts">
          {entity.by !== null && <span title={entity.by}>{entity.by === own ? 'by you' : `by ${shortDid(entity.by)}`}</span>}
          {entity.at_ms !== null && <Time at={entity.at_ms} />}
        </p>
        {open && (
          <div id={id} className="entity-open">
            {write === null ? <Shown entity={entity} /> : <Edit entity={entity} title={title} write={write} onClose={() => setOpen(false)} />}
          </div>
        )}
      </div>
    </li>
  )
}

/** A small picture, if the file is one. */
function Picture({ cid }: { cid: string | null }) {
  const [isNone, setNone] = useState<string | null>(null)
  const src = useBlobUrl(cid)
  if (!src || isNone === cid) return <Icon name={cid === null ? 'data' : 'file'} size={22} />
  return <img className="inside-picture" src={src} alt="" loading="lazy" onError={() => setNone(cid)} />
}

function Shown({ entity }: { entity: GroupEntity }) {
  return (
    <dl className="inside-fields">
      {fields(entity.state).map((field) => (
        <div key={field.attribute}>
          <dt>{field.attribute}</dt>
          <dd>
            <Values field={field} />
          </dd>
        </div>
      ))}
    </dl>
  )
}

function Values({ field: { value } }: { field: Field }) {
  const all = Array.isArray(value) ? value : [value]
  return all.map((each, at) => (
    <span key={at}>
      {at > 0 && ', '}
      <ValueView value={each} />
    </span>
  ))
}

function Edit({ entity, title, write, onClose }: { entity: GroupEntity; title: string; write: Write; onClose: () => void }) {
  const [base, setBase] = useState(entity.state)
  const [drafts, setDrafts] = useState<ReadonlyMap<string, string>>(new Map())
  const [more, setMore] = useState<{ what: string; value: string } | null>(null)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const [removing, setRemoving] = useState(false)
  const id = useId()
  const draft = (field: Field) => drafts.get(field.attribute) ?? String(entity.state[field.attribute] ?? '')
  const set = (attribute: string, text: string) => setDrafts(new Map(drafts).set(attribute, text))
  const shown = fields({ ...base, ...entity.state })
  const wrong = shown.find((field) => field.plain !== null && draft(field).trim() !== '' && typed(draft(field), field.plain) === null)
  const changes = edits(entity.id, { ...base, ...entity.state }, drafts)
  if (more !== null && more.what.trim() !== '' && more.value.trim() !== '') {
    changes.push({ assert: { entity: entity.id, attribute: more.what.trim(), value: more.value.trim() } })
  }
  const save = (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    write(changes)
      .then(onClose, setError)
      .finally(() => setBusy(false))
  }
  const keep = (field: Field) => {
    setBase({ ...base, [field.attribute]: field.value })
  }
  return (
    <form className="inside-edit" aria-label={`Edit ${title}`} onSubmit={save}>
      {shown.map((field) => {
        const place = `${id}-${field.attribute}`
        const before = base[field.attribute]
        // somebody else wrote there while this was being edited
        const isNews = drafts.has(field.attribute) && JSON.stringify(before) !== JSON.stringify(field.value)
        return (
          <div key={field.attribute} className="share-field">
            <label htmlFor={field.plain === null ? undefined : place}>{field.attribute}</label>
            {field.plain === null ? (
              <p>
                <Values field={field} />
              </p>
            ) : typeof field.plain === 'boolean' ? (
              <select id={place} value={draft(field)} onChange={(event) => set(field.attribute, event.target.value)}>
                <option value="true">yes</option>
                <option value="false">no</option>
              </select>
            ) : typeof field.plain === 'string' && (field.plain.length > 60 || field.attribute.endsWith('text')) ? (
              <textarea id={place} rows={3} value={draft(field)} onChange={(event) => set(field.attribute, event.target.value)} />
            ) : (
              <input id={place} inputMode={typeof field.plain === 'number' ? 'decimal' : 'text'} value={draft(field)} autoComplete="off" onChange={(event) => set(field.attribute, event.target.value)} />
            )}
            {field === wrong && <p className="field-error">This is a number.</p>}
            {isNews && (
              <p className="news" role="status">
                Somebody changed it meanwhile: now it is “{String(field.value)}”.{' '}
                <button
                  type="button"
                  className="link-button"
                  onClick={() => {
                    const left = new Map(drafts)
                    left.delete(field.attribute)
                    setDrafts(left)
                    keep(field)
                  }}
                >
                  Take theirs
                </button>{' '}
                <button type="button" className="link-button" onClick={() => keep(field)}>
                  Keep mine
                </button>
              </p>
            )}
          </div>
        )
      })}
      {more === null ? (
        <button type="button" className="quiet-button" onClick={() => setMore({ what: '', value: '' })}>
          <Icon name="plus" size={16} />
          Say something more of it
        </button>
      ) : (
        <div className="more-row">
          <div className="share-field">
            <label htmlFor={`${id}-what`}>What</label>
            <input id={`${id}-what`} placeholder="place" value={more.what} autoFocus autoCapitalize="none" autoComplete="off" onChange={(event) => setMore({ ...more, what: event.target.value })} />
          </div>
          <div className="share-field">
            <label htmlFor={`${id}-value`}>Is</label>
            <input id={`${id}-value`} placeholder="the hut" value={more.value} autoComplete="off" onChange={(event) => setMore({ ...more, value: event.target.value })} />
          </div>
        </div>
      )}
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="submit" className="button primary small" disabled={busy || wrong !== undefined || changes.length === 0}>
          {busy ? 'Saving…' : 'Save'}
        </button>
        <button type="button" className="button small" onClick={onClose}>
          Close
        </button>
        <span className="spring" />
        <button type="button" className="quiet-button" onClick={() => setRemoving(true)}>
          <Icon name="close" size={16} />
          Take it out<span className="visually-hidden"> of the group: {title}</span>
        </button>
      </div>
      {removing && <TakeOut entity={entity} title={title} write={write} onClose={() => setRemoving(false)} />}
    </form>
  )
}

function TakeOut({ entity, title, write, onClose }: { entity: GroupEntity; title: string; write: Write; onClose: () => void }) {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const take = () => {
    setBusy(true)
    setError(null)
    write(takeAway(entity.id, entity.state))
      .then(onClose, setError)
      .finally(() => setBusy(false))
  }
  return (
    <Dialog title="Take it out of the group?" onClose={onClose}>
      <p>
        <b>{title}</b>
      </p>
      <ul className="means">
        <li>It goes for everybody here.</li>
        <li>Who has seen it may have kept it; the log of the group still says what was there.</li>
      </ul>
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="button" className="button danger" disabled={busy} onClick={take}>
          Take it out
        </button>
        <button type="button" className="button" onClick={onClose}>
          Leave it
        </button>
      </div>
    </Dialog>
  )
}

function Add({ write, onClose }: { write: Write; onClose: () => void }) {
  const [title, setTitle] = useState('')
  const [text, setText] = useState('')
  const [file, setFile] = useState<File | null>(null)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const id = useId()
  const isLarge = file !== null && file.size > MAX_FILE
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    const bring = file === null ? Promise.resolve(null) : api.bringFile(file).then((brought) => brought.blob)
    bring
      .then((picture) => write(addition({ title, text, picture })))
      .then(onClose, setError)
      .finally(() => setBusy(false))
  }
  return (
    <div className="panel">
      <form className="share" aria-label="Add something" onSubmit={submit}>
        <div className="share-field">
          <label htmlFor={`${id}-title`}>Title</label>
          <input id={`${id}-title`} value={title} required autoFocus autoComplete="off" onChange={(event) => setTitle(event.target.value)} />
        </div>
        <div className="share-field">
          <label htmlFor={`${id}-text`}>Text</label>
          <textarea id={`${id}-text`} rows={3} value={text} onChange={(event) => setText(event.target.value)} />
        </div>
        <div className="share-field">
          <label htmlFor={`${id}-file`}>Picture</label>
          <input id={`${id}-file`} type="file" accept="image/*" onChange={(event) => setFile(event.target.files?.[0] ?? null)} />
          {isLarge && <p className="field-error">It has more than 64 MB: take a smaller one.</p>}
        </div>
        {error !== null && <ErrorNote error={error} />}
        <div className="actions">
          <button type="submit" className="button primary" disabled={busy || title.trim() === '' || isLarge}>
            {busy ? 'Adding…' : 'Add'}
          </button>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </div>
  )
}
