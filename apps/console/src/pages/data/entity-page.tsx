import { useEffect, useMemo, useState } from 'react'
import { api } from '../../api/http'
import type { EntityDetail, EntityTuple, HistoryEntry, Provenance } from '../../api/types'
import { useEntity } from '../../data/entities'
import { count } from '../../data/exchange'
import { kindOf, nameOf } from '../../data/social'
import { exact } from '../../data/time'
import { undo } from '../../data/undo'
import { CopyButton } from '../../parts/copy'
import { Icon } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { ReachWords } from '../../parts/reach'
import { Time } from '../../parts/time'
import { TimeSlider } from '../../parts/time-slider'
import { EntityName, shortId, ValueView } from '../../parts/value'
import { Link } from '../../router'

/** All tuples of one entity: what, who, when, by which app; what was there before; what points here. */
export function EntityPage({ id }: { id: string }) {
  const known = useEntity(id)
  const { detail, error } = useDetail(id, known?.revision ?? -1)
  const [at, setAt] = useState<number | null>(null)
  const then = useThen(id, at)
  const times = useMemo(() => [...new Set(detail?.history.map((each) => each.at))].sort((a, b) => a - b), [detail])
  if (error !== null) {
    return (
      <div className="page">
        <ErrorNote error={error} />
      </div>
    )
  }
  if (!detail) return <Loading what="Reading the entity" />
  const name = known?.state ? nameOf(known.state) : null
  const kind = known?.state ? kindOf(known.state) : null
  return (
    <div className="page entity">
      <nav aria-label="You are here" className="crumbs">
        <Link to="/data">Data</Link> <span aria-hidden="true">›</span>
      </nav>
      <div className="page-head">
        <h1>{name ?? capital(kind) ?? 'Entity'}</h1>
        <p className="entity-id">
          <code>{id}</code> <CopyButton text={id} label="Copy the id" />
        </p>
        <Newest change={detail.history[0]} />
        <p className="newest">
          <Link to={`/sharing?about=${id}`}>Change it in a draft</Link>
        </p>
      </div>
      {times.length > 1 && <TimeSlider times={times} at={at} what="this entity" onChange={setAt} />}
      {at === null ? (
        <>
          {detail.tuples.length === 0 && <p className="quiet">This entity has no tuples now.</p>}
          <Conflicts detail={detail} />
          {detail.tuples.length > 0 && <Tuples tuples={detail.tuples} />}
          <Incoming detail={detail} />
        </>
      ) : (
        <Then at={at} then={then} now={detail} />
      )}
      <History detail={detail} />
    </div>
  )
}

/** How far the last thing written about this entity has come. */
function Newest({ change }: { change: HistoryEntry | undefined }) {
  if (!change) return null
  return (
    <p className="newest">
      Newest change <Time at={change.at} />: <ReachWords commit={change.commit} />
    </p>
  )
}

function capital(word: string | null): string | null {
  return word && word.charAt(0).toUpperCase() + word.slice(1)
}

/** Read again whenever the entity's live state changes. */
function useDetail(id: string, revision: number) {
  const [detail, setDetail] = useState<EntityDetail | null>(null)
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    const controller = new AbortController()
    api.entity(id, controller.signal).then(setDetail, (cause: unknown) => {
      if (!controller.signal.aborted) setError(cause)
    })
    return () => controller.abort()
  }, [id, revision])
  return { detail, error }
}

/** As it was at a time; the one before is shown until it is there. */
function useThen(id: string, at: number | null) {
  const [then, setThen] = useState<{ detail: EntityDetail | null; error: unknown }>({ detail: null, error: null })
  useEffect(() => {
    if (at === null) return
    const controller = new AbortController()
    api.entity(id, controller.signal, at).then(
      (detail) => setThen({ detail, error: null }),
      (error: unknown) => {
        if (!controller.signal.aborted) setThen({ detail: null, error })
      },
    )
    return () => controller.abort()
  }, [id, at])
  return then
}

function Then({ at, then, now }: { at: number; then: { detail: EntityDetail | null; error: unknown }; now: EntityDetail }) {
  if (then.error !== null) return <ErrorNote error={then.error} />
  if (!then.detail) return <Loading what="Reading how it was" />
  const { tuples } = then.detail
  const here = (list: EntityTuple[]) => new Set(list.map((each) => JSON.stringify([each.attribute, each.value])))
  const [before, after] = [here(tuples), here(now.tuples)]
  const gone = [...before].filter((each) => !after.has(each)).length
  const added = [...after].filter((each) => !before.has(each)).length
  return (
    <section className="then" aria-label={`As it was, ${exact(at)}`} aria-live="polite">
      <p className="quiet">
        {gone === 0 && added === 0
          ? 'The same as now.'
          : `Since then ${count(gone, 'tuple')} went and ${count(added, 'tuple')} came.`}
      </p>
      {tuples.length === 0 ? <p className="quiet">It had no tuples then.</p> : <Tuples tuples={tuples} since={after} />}
    </section>
  )
}

function Tuples({ tuples, since }: { tuples: EntityTuple[]; since?: ReadonlySet<string> }) {
  const mime = tuples.find((each) => each.attribute === 'social/mime')?.value
  return (
    <section aria-label="Tuples" className="tuples">
      <table>
        <thead>
          <tr>
            <th scope="col">Attribute</th>
            <th scope="col">Value</th>
            <th scope="col">Written</th>
          </tr>
        </thead>
        <tbody>
          {tuples.map((tuple, at) => (
            <tr key={at} className={since && !since.has(JSON.stringify([tuple.attribute, tuple.value])) ? 'otherwise' : undefined}>
              <th scope="row">
                {at > 0 && tuples[at - 1]?.attribute === tuple.attribute ? (
                  <span className="visually-hidden">{tuple.attribute}</span>
                ) : (
                  <Link to={`/data?attribute=${encodeURIComponent(tuple.attribute)}`}>
                    <AttributeName name={tuple.attribute} />
                  </Link>
                )}
                {tuple.merge !== 'register' && <span className="merge">{tuple.merge}</span>}
              </th>
              <td>
                <ValueView value={tuple.value} mime={typeof mime === 'string' ? mime : undefined} />
              </td>
              <td className="by-whom">
                <Written by={tuple} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function AttributeName({ name }: { name: string }) {
  const slash = name.lastIndexOf('/')
  return (
    <>
      {slash >= 0 && <span className="namespace">{name.slice(0, slash + 1)}</span>}
      {name.slice(slash + 1)}
    </>
  )
}

function Written({ by }: { by: Provenance }) {
  return (
    <span title={`${exact(by.at)}\ndevice ${by.device}\ncommit ${by.commit}`}>
      <Time at={by.at} />
      <span className="quiet">
        {' · '}
        {by.app ?? 'this pod'} · {shortId(by.device)}
      </span>
    </span>
  )
}

function Conflicts({ detail }: { detail: EntityDetail }) {
  return detail.conflicts.map(({ attribute, values }) => (
    <div key={attribute} className="note conflict" role="note">
      <Icon name="warning" />
      <div>
        <p>
          <b>
            <AttributeName name={attribute} />
          </b>{' '}
          was written in two places at once. One value is shown; nothing is lost:
        </p>
        <ul>
          {values.map((each, at) => (
            <li key={at}>
              <ValueView value={each.value} /> {each.winner && <span className="merge">shown</span>} <Written by={each} />
            </li>
          ))}
        </ul>
      </div>
    </div>
  ))
}

function Incoming({ detail }: { detail: EntityDetail }) {
  if (detail.incoming_total === 0) return null
  return (
    <section className="incoming">
      <h2>
        Points here <span className="count">{detail.incoming_total.toLocaleString()}</span>
      </h2>
      <ul>
        {detail.incoming.map(({ entity, attribute }) => (
          <li key={`${attribute} ${entity}`}>
            <EntityName id={entity} />
            <span className="quiet">
              as <AttributeName name={attribute} />
            </span>
          </li>
        ))}
      </ul>
      {detail.incoming_total > detail.incoming.length && (
        <p className="quiet">and {(detail.incoming_total - detail.incoming.length).toLocaleString()} more</p>
      )}
    </section>
  )
}

const DEEDS: Record<HistoryEntry['kind'], string> = {
  assert: 'set',
  retract: 'removed',
  insert: 'put in',
  add: 'counted',
  list: 'listed',
  create: 'created',
  erase: 'erased',
  text: 'edited',
}

/** What the pod says of itself has ways of its own to be taken back. */
const OWN = /^(rhizome|device|process|peer|view|grant|message|app-grant|draft)\//

/** Takes back what one commit said of this entity. */
function UndoStep({ entry, id }: { entry: HistoryEntry; id: string }) {
  if (entry.kind === 'erase' || entry.kind === 'create' || OWN.test(entry.attribute ?? '')) return null
  return (
    <button
      type="button"
      className="quiet-button"
      aria-label={`Undo what was written ${exact(entry.at)}`}
      onClick={() => void undo(entry.commit, id)}
    >
      Undo
    </button>
  )
}

function History({ detail }: { detail: EntityDetail }) {
  if (detail.history.length === 0) return null
  return (
    <section className="history">
      <details>
        <summary>
          <h2>
            History <span className="count">{detail.history_total.toLocaleString()}</span>
          </h2>
        </summary>
        <ol>
          {detail.history.map((entry, at) => (
            <li key={at} className={entry.current ? undefined : 'past'}>
              <span className="deed">
                <span className="quiet">{DEEDS[entry.kind]}</span> {entry.attribute && <AttributeName name={entry.attribute} />}
              </span>
              <span className="what">{entry.value !== null && <ValueView value={entry.value} />}</span>
              <span className="by-whom">
                <Written by={entry} />
                {detail.history[at - 1]?.commit !== entry.commit && <UndoStep entry={entry} id={detail.id} />}
              </span>
            </li>
          ))}
        </ol>
        {detail.history_total > detail.history.length && (
          <p className="quiet">The newest {detail.history.length.toLocaleString()} of them.</p>
        )}
      </details>
    </section>
  )
}
