import { useState } from 'react'
import { api } from '../../api/http'
import type { Cell, Shared } from '../../api/types'
import { count } from '../../data/exchange'
import { predicateWords } from '../../data/predicate'
import { shared, useShared } from '../../data/polled'
import { lookAround, lookQuery, powerWords } from '../../data/sharing'
import { exact, shortDate } from '../../data/time'
import { Accept } from '../../parts/accept'
import { Dialog } from '../../parts/dialog'
import { Icon } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { shortId } from '../../parts/value'
import { navigate } from '../../router'
import { shortDid, Who } from '../../parts/who'
import { Time } from '../../parts/time'
import { Wished } from './proposals'
import { TalkView } from './talk'

export function SharedList() {
  const { value, error } = useShared()
  return (
    <section aria-labelledby="shared">
      <div className="section-head">
        <h2 id="shared">
          Shared with you {value && value.shared.length > 0 && <span className="count">{value.shared.length}</span>}
        </h2>
      </div>
      {error !== null && !value && <ErrorNote error={error} />}
      {!value && error === null && <Loading what="Reading" />}
      {value && value.shared.length === 0 && <p className="quiet">Nothing yet. Give your DID to whoever wants to share, and paste what you get here.</p>}
      {value && value.shared.length > 0 && (
        <ul className="cards">
          {value.shared.map((each) => (
            <SharedRow key={each.view} shared={each} />
          ))}
        </ul>
      )}
      <Accept />
    </section>
  )
}

function SharedRow({ shared: each }: { shared: Shared }) {
  const [forgetting, setForgetting] = useState(false)
  const look = () => {
    const open = (found: Cell[][]) =>
      navigate(`/query?q=${encodeURIComponent(lookQuery(each.where, found))}&pod=${encodeURIComponent(each.of)}`)
    api.query(lookAround(each.where), [], undefined, each.of).then(
      (result) => open('rows' in result ? result.rows : []),
      // the page of queries says what is wrong
      () => open([]),
    )
  }
  return (
    <li className="card" data-view={each.view}>
      <Icon name="import" size={22} />
      <div className="card-body">
        <h3 title={each.where}>{predicateWords(each.where)}</h3>
        <p className="card-facts">
          <span>
            from <Who did={each.of} />
          </span>
          <span>{count(each.entities, 'entity', 'entities')} here</span>
        </p>
        <p className="card-facts">
          <span>{each.can === null ? 'taken back, or its time is over' : `you may ${powerWords(each.can)}`}</span>
          {each.can !== null && each.until_ms !== null && <span title={exact(each.until_ms)}>until {shortDate(each.until_ms)}</span>}
          {each.pending > 0 && (
            <span className="state busy">
              <span className="dot" aria-hidden="true" />
              {count(each.pending, 'change')} of yours {each.pending === 1 ? 'waits' : 'wait'} for them
            </span>
          )}
        </p>
        {each.refused.length > 0 && <Refused refused={each.refused} isOver={each.can === null} />}
        {each.proposals.length > 0 && <Proposed proposals={each.proposals} isOver={each.can === null} />}
      </div>
      <div className="card-actions">
        <button type="button" className="quiet-button" onClick={look}>
          <Icon name="query" size={16} />
          Look<span className="visually-hidden"> at what {shortDid(each.of)} shares</span>
        </button>
        <button type="button" className="quiet-button" onClick={() => setForgetting(true)}>
          <Icon name="close" size={16} />
          Forget<span className="visually-hidden"> what {shortDid(each.of)} shares</span>
        </button>
      </div>
      {forgetting && <Forget shared={each} onClose={() => setForgetting(false)} />}
    </li>
  )
}

/** Writes that do not count, by reason. */
function Refused({ refused, isOver }: Pick<Shared, 'refused'> & { isOver: boolean }) {
  const byReason = new Map<string, string[]>()
  for (const { commit, why } of refused) byReason.set(why, [...(byReason.get(why) ?? []), commit])
  return (
    <details className="refused">
      <summary>
        {refused.length === 1 ? '1 change of yours does not count' : `${count(refused.length, 'change')} of yours do not count`}
      </summary>
      <ul>
        {[...byReason].map(([why, commits]) => (
          <li key={why}>
            {why}
            {commits.map((commit) => (
              <code key={commit} title={commit}>
                {shortId(commit)}
              </code>
            ))}
          </li>
        ))}
      </ul>
      <p>They see it as a proposal, and may adopt it.</p>
      {refused
        .filter((each) => each.comments.length > 0)
        .map((each) => (
          <div key={each.commit}>
            <p>
              About <code title={each.commit}>{shortId(each.commit)}</code>:
            </p>
            <TalkView id={each.commit} talk={each} mute={isOver ? OVER : null} onSaid={shared.refresh} />
          </div>
        ))}
    </details>
  )
}

const OVER = 'They would not read an answer any more.'

/** What this person would like to be changed there. */
function Proposed({ proposals, isOver }: Pick<Shared, 'proposals'> & { isOver: boolean }) {
  const said = proposals.reduce((sum, each) => sum + each.comments.length, 0)
  return (
    <details className="proposed">
      <summary>
        {count(proposals.length, 'proposal')} of yours{said > 0 && `, ${count(said, 'comment')}`}
      </summary>
      <ul>
        {proposals.map((each) => (
          <li key={each.id} data-proposed={each.id}>
            <p className="card-facts">
              <Time at={each.at_ms} />
            </p>
            {each.comment !== '' && <blockquote className="comment">{each.comment}</blockquote>}
            <Wished changes={each.changes} />
            <TalkView id={each.id} talk={each} mute={isOver ? OVER : null} onSaid={shared.refresh} />
          </li>
        ))}
      </ul>
    </details>
  )
}

function Forget({ shared: each, onClose }: { shared: Shared; onClose: () => void }) {
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const forget = () => {
    setBusy(true)
    setError(null)
    api
      .forgetShared(each.view)
      .then(() => {
        shared.refresh()
        onClose()
      }, setError)
      .finally(() => setBusy(false))
  }
  return (
    <Dialog title="Forget this?" onClose={onClose}>
      <p>
        <b>{predicateWords(each.where)}</b>
        <br />
        from <Who did={each.of} />
      </p>
      <ul className="means">
        <li>It goes from all your devices; files that came with it stay.</li>
        <li>What you wrote there stays with them.</li>
        <li>They are told nothing. To have it again you need a new invitation.</li>
      </ul>
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="button" className="button danger" disabled={busy} onClick={forget}>
          Forget it
        </button>
        <button type="button" className="button" onClick={onClose}>
          Keep it
        </button>
      </div>
    </Dialog>
  )
}
