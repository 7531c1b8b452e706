import { useState } from 'react'
import type { EntityState } from '../../api/live'
import { api } from '../../api/http'
import type { EntityId, Proposal, Value } from '../../api/types'
import { useEntity } from '../../data/entities'
import { type Polled, proposals } from '../../data/polled'
import { type Step, type Touched, touched, whyTheirs } from '../../data/sharing'
import { Icon } from '../../parts/icon'
import { ErrorNote } from '../../parts/note'
import { Time } from '../../parts/time'
import { EntityName, ValueView } from '../../parts/value'
import { Who } from '../../parts/who'
import { TalkView } from './talk'

/** What others would like to be changed. Without any, nothing is said. */
export function Proposals({ known }: { known: Polled<{ proposals: Proposal[] }> }) {
  const { value, error } = known
  const open = value?.proposals.filter((each) => each.decided === null) ?? []
  const decided = value?.proposals.filter((each) => each.decided !== null) ?? []
  if (error !== null && !value) return <ErrorNote error={error} />
  if (open.length + decided.length === 0) return null
  return (
    <section aria-labelledby="proposals">
      <div className="section-head">
        <h2 id="proposals">
          Proposals {open.length > 0 && <span className="count">{open.length}</span>}
        </h2>
      </div>
      {open.length === 0 && <p className="quiet">None are open.</p>}
      <ul className="cards">
        {open.map((proposal) => (
          <ProposalRow key={proposal.id} proposal={proposal} />
        ))}
      </ul>
      {decided.length > 0 && (
        <details className="ended">
          <summary>
            Decided <span className="count">{decided.length}</span>
          </summary>
          <ul className="cards">
            {decided.map((proposal) => (
              <ProposalRow key={proposal.id} proposal={proposal} />
            ))}
          </ul>
        </details>
      )}
    </section>
  )
}

function ProposalRow({ proposal }: { proposal: Proposal }) {
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const entities = touched(proposal)
  const [kept, setKept] = useState<string[]>([])
  const isOpen = proposal.decided === null
  const isAdopted = proposal.decided === 'adopted' || proposal.adopted.length > 0
  const rest = entities.filter((each) => !proposal.adopted.includes(each.entity))
  const undo = () => {
    setBusy(true)
    setError(null)
    api
      .undo(proposal.id)
      .then(({ kept }) => {
        setKept(kept.map((each) => each.attribute))
        return proposals.refresh()
      }, setError)
      .finally(() => setBusy(false))
  }
  const decide = (adopt: boolean, entity?: EntityId) => {
    setBusy(true)
    setError(null)
    api
      .decide(proposal.id, adopt, entity)
      .then(() => proposals.refresh(), setError)
      .finally(() => setBusy(false))
  }
  return (
    <li className="card" data-proposal={proposal.id}>
      <Icon name="edit" size={22} />
      <div className="card-body">
        <p className="card-facts">
          <span>
            from <Who did={proposal.from} />
          </span>
          <span title="By their clock">
            <Time at={proposal.at_ms} />
          </span>
          {isAdopted && proposal.decided !== 'adopted' && <span className="tag-word">adopted in part</span>}
          {!isOpen && <span className="tag-word">{proposal.decided === 'declined' && isAdopted ? 'the rest declined' : proposal.decided}</span>}
        </p>
        {proposal.comment !== '' && <blockquote className="comment">{proposal.comment}</blockquote>}
        {proposal.why !== null && <p className="why">Written, but it did not count: {whyTheirs(proposal.why)}.</p>}
        {entities.map((each) => (
          <Difference
            key={each.entity}
            touched={each}
            isOpen={isOpen && rest.includes(each)}
            isAdopted={proposal.adopted.includes(each.entity)}
            {...(isOpen && rest.length > 1 && rest.includes(each) && !each.entity.startsWith('_:') && { onOnly: () => decide(true, each.entity), busy })}
          />
        ))}
        {error !== null && <ErrorNote error={error} />}
        {isOpen && (
          <div className="actions">
            <button type="button" className="button primary small" disabled={busy} onClick={() => decide(true)}>
              {rest.length === 1 ? 'Adopt' : isAdopted ? 'Adopt the rest' : 'Adopt all'}
            </button>
            <button type="button" className="button small" disabled={busy} onClick={() => decide(false)}>
              {isAdopted ? 'Decline the rest' : 'Decline'}
            </button>
          </div>
        )}
        {isAdopted && (
          <div className="actions">
            <button type="button" className="button small" disabled={busy} title="As it was before; what was changed since stays" onClick={undo}>
              Undo the adoption
            </button>
          </div>
        )}
        <TalkView id={proposal.id} talk={proposal} mute={muteWords(proposal)} onSaid={proposals.refresh} />
        {kept.length > 0 && <p className="quiet">Changed since, and so left as it is: {kept.join(', ')}.</p>}
      </div>
    </li>
  )
}

function muteWords({ came }: Proposal): string | null {
  if (came === 'late') return 'It came after you took back what was shared with them: they would not read an answer.'
  return came === 'app' ? 'An app reads no answers.' : null
}

/** What was proposed to somebody else, of whose entities no more is known here. */
export function Wished({ changes }: Pick<Proposal, 'changes'>) {
  return touched({ changes }).map((each) => <Difference key={each.entity} touched={each} isOpen={false} isAdopted={false} />)
}

/** What would become of one entity. Of a decided one only what was proposed is shown: what was there before is over. */
interface DifferenceProps {
  touched: Touched
  isOpen: boolean
  isAdopted: boolean
  busy?: boolean
  onOnly?: () => void
}

function Difference({ touched: { entity, made, steps }, isOpen, isAdopted, busy, onOnly }: DifferenceProps) {
  const known = useEntity(made ? null : entity)
  const state = known?.state ?? null
  const isNew = made || (isOpen && known?.state === null)
  const showBefore = isOpen && !isNew
  return (
    <div className="difference">
      <div className="difference-head">
        {isNew ? <b>A new entity</b> : <EntityName id={entity} />}
        {isAdopted && <span className="tag-word">adopted</span>}
        {onOnly && (
          <button type="button" className="quiet-button" disabled={busy} title="The rest of the proposal stays open" onClick={onOnly}>
            <Icon name="check" size={16} />
            Adopt only this
          </button>
        )}
      </div>
      <dl>
        {steps.map((step, at) => (
          <StepRow key={at} step={step} before={showBefore && 'attribute' in step && step.attribute ? slot(state, step.attribute) : []} showBefore={showBefore} />
        ))}
      </dl>
    </div>
  )
}

function slot(state: EntityState | null, attribute: string): Value[] {
  const found = state?.[attribute]
  return found === undefined ? [] : Array.isArray(found) ? found : [found]
}

function StepRow({ step, before, showBefore }: { step: Step; before: Value[]; showBefore: boolean }) {
  if (step.kind === 'erase') {
    return (
      <div className="step">
        <dt>everything</dt>
        <dd>would be erased, with its history</dd>
      </div>
    )
  }
  return (
    <div className="step">
      <dt>{step.attribute ?? 'something'}</dt>
      <dd>{step.kind === 'other' ? 'a change that cannot be shown' : <Outcome step={step} before={before} showBefore={showBefore} />}</dd>
    </div>
  )
}

function Outcome({ step, before, showBefore }: { step: Exclude<Step, { kind: 'erase' | 'other' }>; before: Value[]; showBefore: boolean }) {
  switch (step.kind) {
    case 'set':
      return (
        <>
          {showBefore && <Before values={before} />}
          <After values={[step.value]} />
        </>
      )
    case 'list':
      return (
        <>
          {showBefore && <Before values={before} />}
          <After values={step.values} />
        </>
      )
    case 'put':
      return (
        <>
          <span className="quiet">also</span> <After values={[step.value]} />
        </>
      )
    case 'add': {
      const [now] = before
      return typeof now === 'number' && showBefore ? (
        <>
          <Before values={before} />
          <After values={[now + step.by]} />
        </>
      ) : (
        <>
          <span className="quiet">{step.by < 0 ? 'less by' : 'more by'}</span> <After values={[Math.abs(step.by)]} />
        </>
      )
    }
    case 'take':
      return (
        <>
          <span className="quiet">without</span> <Gone values={step.value === null ? before : [step.value]} />
        </>
      )
  }
}

export function Before({ values }: { values: Value[] }) {
  return (
    <>
      {values.length === 0 ? <span className="quiet">nothing</span> : <Gone values={values} />}
      <span className="arrow" aria-hidden="true">
        →
      </span>
      <span className="visually-hidden"> becomes </span>
    </>
  )
}

function Gone({ values }: { values: Value[] }) {
  if (values.length === 0) return <span className="quiet">its value</span>
  return (
    <del>
      <Values values={values} />
    </del>
  )
}

export function After({ values }: { values: Value[] }) {
  return (
    <ins>
      <Values values={values} />
    </ins>
  )
}

function Values({ values }: { values: Value[] }) {
  return values.map((value, at) => (
    <span key={at}>
      {at > 0 && ', '}
      <ValueView value={value} />
    </span>
  ))
}
