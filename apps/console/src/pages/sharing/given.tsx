import { useState } from 'react'
import { api } from '../../api/http'
import type { Given } from '../../api/types'
import { predicateWords } from '../../data/predicate'
import { grants, useGrants } from '../../data/polled'
import { type GrantState, grantState, isOpenGrant, powerWords, shownGrants } from '../../data/sharing'
import { exact, shortDate, useNow } from '../../data/time'
import { Dialog } from '../../parts/dialog'
import { Icon } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { Time } from '../../parts/time'
import { Who } from '../../parts/who'

export function GivenList() {
  const { value, error } = useGrants()
  const now = useNow()
  if (!value) return error === null ? <Loading what="Reading" /> : <ErrorNote error={error} />
  const isOpen = (given: Given) => isOpenGrant(grantState(given, now))
  const all = shownGrants(value.grants)
  const open = all.filter(isOpen)
  const ended = all.filter((given) => !isOpen(given))
  return (
    <>
      {open.length === 0 && <p className="quiet">Nobody sees anything of yours.</p>}
      <ul className="cards">
        {open.map((given) => (
          <GivenRow key={given.grant} given={given} now={now} />
        ))}
      </ul>
      {ended.length > 0 && (
        <details className="ended">
          <summary>
            Taken back or over <span className="count">{ended.length}</span>
          </summary>
          <ul className="cards">
            {ended.map((given) => (
              <GivenRow key={given.grant} given={given} now={now} />
            ))}
          </ul>
        </details>
      )}
    </>
  )
}

const STATES: Partial<Record<GrantState, string>> = {
  accepted: 'Accepted',
  moving: 'Moved since a device was removed; their device has not been here yet',
  public: 'Public',
  waiting: 'Not accepted yet',
}

function GivenRow({ given, now }: { given: Given; now: number }) {
  const [taking, setTaking] = useState(false)
  const state = grantState(given, now)
  const isOpen = isOpenGrant(state)
  return (
    <li className="card" data-grant={given.grant}>
      <Icon name="sharing" size={22} />
      <div className="card-body">
        <h3 title={given.where}>{predicateWords(given.where)}</h3>
        <p className="card-facts">
          <span>
            to {given.public ? <b>anyone</b> : <Who did={given.to} />}
          </span>
          {isOpen && (
            <span className={`state ${state === 'waiting' || state === 'moving' ? 'busy' : 'good'}`}>
              <span className="dot" aria-hidden="true" />
              {STATES[state]}
            </span>
          )}
        </p>
        <p className="card-facts">
          <span>
            {isOpen ? 'may' : 'could'} {powerWords(given.can)}
          </span>
          {given.given_ms !== null && (
            <span>
              since <Time at={given.given_ms} />
            </span>
          )}
          {given.until_ms !== null && state !== 'back' && (
            <span title={exact(given.until_ms)}>
              {state === 'over' ? 'over since' : 'until'} {shortDate(given.until_ms)}
            </span>
          )}
          {given.revoked_ms !== null && (
            <span>
              taken back <Time at={given.revoked_ms} />
            </span>
          )}
        </p>
      </div>
      {isOpen && (
        <div className="card-actions">
          <button type="button" className="quiet-button" onClick={() => setTaking(true)}>
            <Icon name="close" size={16} />
            Take back
          </button>
        </div>
      )}
      {taking && <TakeBack given={given} onClose={() => setTaking(false)} />}
    </li>
  )
}

function TakeBack({ given, onClose }: { given: Given; onClose: () => void }) {
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const [late, setLate] = useState(false)
  const take = () => {
    setBusy(true)
    setError(null)
    api
      .revoke(given.grant)
      .then(({ sent }) => {
        if (!sent) setLate(true)
        else onClose()
        grants.refresh()
      }, setError)
      .finally(() => setBusy(false))
  }
  if (late) {
    return (
      <Dialog title="Taken back" onClose={onClose}>
        <p>Your peers could not be told yet, so they may hand out what they have until they hear of it. That happens by itself when one is in reach.</p>
        <div className="actions">
          <button type="button" className="button primary" onClick={onClose}>
            Done
          </button>
        </div>
      </Dialog>
    )
  }
  return (
    <Dialog title="Take this back?" onClose={onClose}>
      <p>
        <b>{predicateWords(given.where)}</b>
        <br />
        from {given.public ? 'everybody' : <Who did={given.to} />}
      </p>
      {given.public ? (
        <ul className="means">
          <li>What you write from now on is not public.</li>
          <li>What was public stays with everybody who has it. That cannot be unsent.</li>
        </ul>
      ) : (
        <ul className="means">
          <li>What they write from now on does not count, whatever date they put on it. It stands under proposals, where you may adopt it.</li>
          <li>What you write from now on they cannot read.</li>
          <li>What they wrote and you have admitted stays.</li>
          <li>What they have read, they have. That cannot be unsent.</li>
        </ul>
      )}
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="button" className="button danger" disabled={busy} onClick={take}>
          {busy ? 'Taking it back…' : 'Take it back'}
        </button>
        <button type="button" className="button" onClick={onClose}>
          Keep sharing
        </button>
      </div>
    </Dialog>
  )
}
