import { useCallback, useEffect, useState } from 'react'
import { api } from '../../api/http'
import type { CommitLine } from '../../api/types'
import { count } from '../../data/exchange'
import { useStatus } from '../../data/status'
import { undo } from '../../data/undo'
import { Dialog } from '../../parts/dialog'
import { ErrorNote, Loading } from '../../parts/note'
import { Time } from '../../parts/time'
import { EntityName, shortId } from '../../parts/value'

const PAGE = 50
/** What is about more than this is asked about once more. */
const MANY = 20
/** What these write is about the pod itself. */
const OWN = new Set(['devices', 'sharing'])

/** Everything that was ever written, the newest first: when, by which app, about what; and the way back. */
export function HistoryPage() {
  const commits = useStatus()?.commits
  const [older, setOlder] = useState<CommitLine[]>([])
  const [newest, setNewest] = useState<{ commits: CommitLine[]; total: number } | null>(null)
  const [error, setError] = useState<unknown>(null)
  const [asking, setAsking] = useState<CommitLine | null>(null)

  useEffect(() => {
    const controller = new AbortController()
    api.commits(null, PAGE, controller.signal).then(setNewest, (cause: unknown) => {
      if (!controller.signal.aborted) setError(cause)
    })
    return () => controller.abort()
  }, [commits])

  const lines = newest ? joined(newest.commits, older) : []
  const last = lines.at(-1)?.number ?? 0
  const more = useCallback(() => {
    api.commits(last, PAGE).then((found) => setOlder((before) => joined(before, found.commits)), setError)
  }, [last])
  const takeBack = (line: CommitLine) => {
    if (line.entities > MANY) setAsking(line)
    else void undo(line.commit)
  }

  return (
    <div className="page log">
      <div className="page-head">
        <h1>History</h1>
        <p className="quiet">Everything that was ever written, and by what. Undo takes back what one of them said, as far as nothing was changed since.</p>
      </div>
      {error !== null && <ErrorNote error={error} />}
      {!newest && error === null && <Loading what="Reading" />}
      {newest && (
        <ol className="cards" aria-label="Commits">
          {lines.map((line) => (
            <li key={line.commit} className="card">
              <div className="card-body">
                <p className="log-what">
                  <b>{line.app ?? 'Another device'}</b> wrote about {count(line.entities, 'thing')}
                  {!line.counts && <span className="merge">does not count</span>}
                </p>
                <p className="quiet log-about">
                  <Time at={line.at} /> · <code title={line.commit}>{shortId(line.commit)}</code>
                  {line.about.map((id) => (
                    <span key={id}>
                      {' '}
                      · <EntityName id={id} />
                    </span>
                  ))}
                  {line.entities > line.about.length && line.about.length > 0 && ' …'}
                </p>
              </div>
              {line.counts && !OWN.has(line.app ?? '') && (
                <button type="button" className="button small" aria-label={`Undo what ${line.app ?? 'another device'} wrote, ${shortId(line.commit)}`} onClick={() => takeBack(line)}>
                  Undo
                </button>
              )}
            </li>
          ))}
        </ol>
      )}
      {newest && last > 0 && (
        <button type="button" className="button more" onClick={more}>
          Show more ({last.toLocaleString()} left)
        </button>
      )}
      {asking && (
        <Dialog title="Undo all of it?" onClose={() => setAsking(null)}>
          <p>
            This was about {count(asking.entities, 'thing')}. All that it said of them is taken back, as far as nothing was changed since. You can
            have it back again.
          </p>
          <div className="actions">
            <button
              type="button"
              className="button primary"
              onClick={() => {
                setAsking(null)
                void undo(asking.commit)
              }}
            >
              Undo
            </button>
            <button type="button" className="button" onClick={() => setAsking(null)}>
              Cancel
            </button>
          </div>
        </Dialog>
      )}
    </div>
  )
}

/** Each once, the newest first. */
function joined(one: readonly CommitLine[], other: readonly CommitLine[]): CommitLine[] {
  const all = new Map([...one, ...other].map((line) => [line.number, line]))
  return [...all.values()].sort((a, b) => b.number - a.number)
}
