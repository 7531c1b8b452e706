import { useEffect, useState } from 'react'
import { api } from '../../api/http'
import type { Activity, AppGrant } from '../../api/types'
import { activityWords, appName, bytesWords, canWords, secondsWords, theirs } from '../../data/apps'
import { count } from '../../data/exchange'
import { apps, useApps } from '../../data/polled'
import { exact, shortDate, useNow } from '../../data/time'
import { Icon } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { PredicateView } from '../../parts/predicate'
import { Time } from '../../parts/time'
import { Link } from '../../router'

/** Apps that were allowed something: what, what they did with it, and the end of it. */
export function AppsPage() {
  const { value, error } = useApps()
  const now = useNow()
  const isOpen = (app: AppGrant) => app.revoked_ms === null && (app.until_ms === null || app.until_ms > now)
  const open = value?.apps.filter(isOpen) ?? []
  const ended = value?.apps.filter((app) => !isOpen(app)) ?? []
  return (
    <div className="page devices sharing apps">
      <div className="page-head">
        <h1>Apps</h1>
        <p className="quiet">Other pages and programs that you allowed to use a part of your data. They have no key of yours, and see nothing else.</p>
      </div>
      {error !== null && !value && <ErrorNote error={error} />}
      {!value && error === null && <Loading what="Reading" />}
      {value && value.waiting.length > 0 && (
        <section aria-labelledby="waiting">
          <div className="section-head">
            <h2 id="waiting">
              They wait for an answer <span className="count">{value.waiting.length}</span>
            </h2>
          </div>
          <ul className="cards">
            {value.waiting.map((each) => (
              <li key={each.request} className="card" data-waiting={each.user_code}>
                <Icon name="key" size={22} />
                <div className="card-body">
                  <h3>
                    <q className="theirs">{appName(each.name)}</q>
                  </h3>
                  <p className="card-facts">
                    <span>a program on this machine</span>
                    <span>
                      shows <code translate="no">{each.user_code}</code>
                    </span>
                    <span>
                      asked <Time at={each.asked_ms} />
                    </span>
                  </p>
                </div>
                <div className="card-actions">
                  <Link to={`/authorize?user_code=${encodeURIComponent(each.user_code)}`} className="quiet-button">
                    <Icon name="right" size={16} />
                    Look what it asks
                  </Link>
                </div>
              </li>
            ))}
          </ul>
        </section>
      )}
      {value && (
        <section aria-labelledby="allowed">
          <div className="section-head">
            <h2 id="allowed">
              Allowed {open.length > 0 && <span className="count">{open.length}</span>}
            </h2>
            <Link to="/authorize" className="button small">
              <Icon name="key" size={16} />
              Type a code
            </Link>
          </div>
          {open.length === 0 && <p className="quiet">No app sees anything of yours.</p>}
          <ul className="cards">
            {open.map((app) => (
              <AppRow key={app.id} app={app} isOpen />
            ))}
          </ul>
          {ended.length > 0 && (
            <details className="ended">
              <summary>
                Taken back or over <span className="count">{ended.length}</span>
              </summary>
              <ul className="cards">
                {ended.map((app) => (
                  <AppRow key={app.id} app={app} isOpen={false} />
                ))}
              </ul>
            </details>
          )}
        </section>
      )}
    </div>
  )
}

function AppRow({ app, isOpen }: { app: AppGrant; isOpen: boolean }) {
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const [isShown, setShown] = useState(false)
  const name = appName(app.name)
  const take = () => {
    setBusy(true)
    setError(null)
    api
      .revokeApp(app.id)
      .then(() => apps.refresh(), setError)
      .finally(() => setBusy(false))
  }
  return (
    <li className="card" data-app={app.id}>
      <Icon name="apps" size={22} />
      <div className="card-body">
        <h3>
          <q className="theirs">{name}</q>
          {isOpen && app.online && (
            <span className="state good">
              <span className="dot" aria-hidden="true" />
              Online
            </span>
          )}
        </h3>
        <p className="card-facts">
          <code translate="no">{app.origin ?? 'a program on this machine'}</code>
        </p>
        <ul className="app-scopes">
          {app.scopes.map((scope, at) => (
            <li key={at}>
              <b>{canWords(scope.can)}</b>: <PredicateView where={scope.where} />
            </li>
          ))}
        </ul>
        <p className="card-facts">
          <span>
            since <Time at={app.given_ms} />
          </span>
          {app.until_ms !== null && app.revoked_ms === null && (
            <span title={exact(app.until_ms)}>
              {isOpen ? 'until' : 'over since'} {shortDate(app.until_ms)}
            </span>
          )}
          {app.revoked_ms !== null && (
            <span>
              ended <Time at={app.revoked_ms} />
            </span>
          )}
          <span>{app.last_ms === null ? 'never came' : <>last seen <Time at={app.last_ms} /></>}</span>
        </p>
        {isOpen && <Quota quota={app.quota} />}
        {error !== null && <ErrorNote error={error} />}
        {isOpen && (
          <div className="take-back">
            <button type="button" className="button danger small" disabled={busy} onClick={take}>
              {busy ? 'Taking it back…' : 'Take back'}
              <span className="visually-hidden"> what {name} may do</span>
            </button>
            <p className="quiet">At once and for good: it would have to ask you again. What it has read, it has.</p>
          </div>
        )}
        <details className="activity" onToggle={(event) => setShown(event.currentTarget.open)}>
          <summary>
            What it did<span className="visually-hidden">, {name}</span>
          </summary>
          {isShown && <ActivityList id={app.id} />}
        </details>
      </div>
    </li>
  )
}

function Quota({ quota }: Pick<AppGrant, 'quota'>) {
  const parts = [
    { what: 'changes today', used: quota.changes, words: (n: number) => n.toLocaleString() },
    { what: 'written today', used: quota.bytes, words: bytesWords },
    { what: 'computing this minute', used: quota.busy_ms, words: secondsWords },
  ]
  return (
    <dl className="quota">
      {parts.map(({ what, used: [used, most], words }) => (
        <div key={what} className={used >= most ? 'full' : undefined}>
          <dt>{what}</dt>
          <dd>
            {words(used)} <span className="quiet">of {words(most)}</span>
          </dd>
        </div>
      ))}
    </dl>
  )
}

const EVERY_MS = 3_000

function ActivityList({ id }: { id: string }) {
  const [found, setFound] = useState<Activity[] | null>(null)
  const [error, setError] = useState<unknown>(null)
  useEffect(() => {
    const controller = new AbortController()
    const ask = () =>
      api.appActivity(id, controller.signal).then(
        ({ activity }) => {
          setError(null)
          setFound(activity)
        },
        (cause: unknown) => {
          if (!controller.signal.aborted) setError(cause)
        },
      )
    void ask()
    const timer = setInterval(() => void ask(), EVERY_MS)
    return () => {
      clearInterval(timer)
      controller.abort()
    }
  }, [id])
  if (error !== null) return <ErrorNote error={error} />
  if (found === null) return <p className="quiet">Reading…</p>
  if (found.length === 0) return <p className="quiet">Nothing yet.</p>
  return (
    <>
      <ol className="activity-list">
        {found.slice(0, MAX_SHOWN).map((each, at) => (
          <li key={`${each.at_ms} ${at}`} className={each.kind === 'refused' ? 'was-refused' : undefined}>
            <Time at={each.at_ms} />
            <span>
              {activityWords(each)}
              {each.note !== null && each.note !== '' && (
                <>
                  : <q className="theirs">{theirs(each.note, 200)}</q>
                </>
              )}
            </span>
          </li>
        ))}
      </ol>
      {found.length > MAX_SHOWN && <p className="quiet">and {count(found.length - MAX_SHOWN, 'more entry', 'more entries')} before</p>}
    </>
  )
}

const MAX_SHOWN = 100
