import { useEffect, useState } from 'react'
import { api } from '../../api/http'
import type { Conflicts } from '../../api/types'
import { count } from '../../data/exchange'
import { useStatus } from '../../data/status'
import { ErrorNote, Loading } from '../../parts/note'
import { Time } from '../../parts/time'
import { EntityName, ValueView } from '../../parts/value'
import { Link } from '../../router'

/** Read again after every commit, while somebody looks. */
export function useConflicts(): { found: Conflicts | null; error: unknown } {
  const commits = useStatus()?.commits
  const [found, setFound] = useState<Conflicts | null>(null)
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    const controller = new AbortController()
    api.conflicts(controller.signal).then(setFound, (cause: unknown) => {
      if (!controller.signal.aborted) setError(cause)
    })
    return () => controller.abort()
  }, [commits])
  return { found, error }
}

/** What was written in two places at once. One value counts everywhere; the person may decide otherwise by writing again. */
export function ConflictsPage() {
  const { found, error } = useConflicts()
  return (
    <div className="page conflicts">
      <nav aria-label="You are here" className="crumbs">
        <Link to="/data">Data</Link> <span aria-hidden="true">›</span>
      </nav>
      <div className="page-head">
        <h1>Conflicts</h1>
        <p className="quiet">
          Different values that were written in two places at once. All devices show the same one of them and keep the others; writing the
          value again settles it.
        </p>
      </div>
      {error !== null && <ErrorNote error={error} />}
      {!found && error === null && <Loading what="Looking" />}
      {found && found.total === 0 && <p className="quiet">There are none.</p>}
      {found && found.total > 0 && (
        <ul className="cards">
          {found.conflicts.map(({ entity, attribute, values }) => (
            <li key={`${entity} ${attribute}`} className="card conflict">
              <div className="card-body">
                <h2>
                  <EntityName id={entity} /> <code>{attribute}</code>
                </h2>
                <ul>
                  {values.map((each, at) => (
                    <li key={at}>
                      <ValueView value={each.value} /> {each.winner && <span className="merge">shown</span>}{' '}
                      <span className="quiet">
                        <Time at={each.at} />
                        {each.app && ` · ${each.app}`}
                      </span>
                    </li>
                  ))}
                </ul>
              </div>
            </li>
          ))}
        </ul>
      )}
      {found && found.total > found.conflicts.length && (
        <p className="quiet">The first {found.conflicts.length.toLocaleString()} of {count(found.total, 'conflict')}.</p>
      )}
    </div>
  )
}
