import { useState } from 'react'
import { api } from '../../api/http'
import type { Group, GroupMember } from '../../api/types'
import { mayRemove, roleWords } from '../../data/groups'
import { groups } from '../../data/polled'
import { Dialog } from '../../parts/dialog'
import { Icon } from '../../parts/icon'
import { ErrorNote } from '../../parts/note'
import { Time } from '../../parts/time'
import { shortDid, Who } from '../../parts/who'

/** Who is in a group, the most senior first. */
export function Members({ group, own }: { group: Group; own: string | null }) {
  return (
    <ul className="cards" aria-label="People">
      {group.members.map((member) => (
        <MemberRow key={member.did} group={group} member={member} own={own} />
      ))}
    </ul>
  )
}

function MemberRow({ group, member, own }: { group: Group; member: GroupMember; own: string | null }) {
  const [removing, setRemoving] = useState(false)
  return (
    <li className="card" data-member={member.did}>
      <div className="card-body">
        <h3>
          {member.did === own ? 'You' : <Who did={member.did} />}
          <span className="tag-word">{roleWords(member.role)}</span>
        </h3>
        <p className="card-facts">
          {member.invited ? (
            <>
              <span className="state busy">
                <span className="dot" aria-hidden="true" />
                {member.did === own ? 'Not seen yet by who invited you' : 'Invited, not seen here yet'}
              </span>
              {member.since_ms !== null && (
                <span>
                  asked <Time at={member.since_ms} />
                </span>
              )}
            </>
          ) : (
            member.since_ms !== null && (
              <span>
                came <Time at={member.since_ms} />
              </span>
            )
          )}
        </p>
      </div>
      {mayRemove(group, own, member) && (
        <div className="card-actions">
          <button type="button" className="quiet-button" onClick={() => setRemoving(true)}>
            <Icon name="close" size={16} />
            {member.invited ? 'Take back' : 'Remove'}
            <span className="visually-hidden"> {shortDid(member.did)}</span>
          </button>
        </div>
      )}
      {removing && <Remove group={group} member={member} onClose={() => setRemoving(false)} />}
    </li>
  )
}

function Remove({ group, member, onClose }: { group: Group; member: GroupMember; onClose: () => void }) {
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const [late, setLate] = useState(false)
  const remove = () => {
    setBusy(true)
    setError(null)
    api
      .removeFromGroup(group.group, member.did)
      .then(({ sent }) => {
        groups.refresh()
        if (sent) onClose()
        else setLate(true)
      }, setError)
      .finally(() => setBusy(false))
  }
  if (late) {
    return (
      <Dialog title="Removed" onClose={onClose}>
        <p>The peers could not be told yet, so they may hand out what they have until they hear of it. That happens by itself when one is in reach.</p>
        <div className="actions">
          <button type="button" className="button primary" onClick={onClose}>
            Done
          </button>
        </div>
      </Dialog>
    )
  }
  return (
    <Dialog title={member.invited ? 'Take the invitation back?' : 'Remove from the group?'} onClose={onClose}>
      <p>
        <Who did={member.did} />
        <br />
        from <b>{group.name}</b>
      </p>
      {member.invited ? (
        <ul className="means">
          <li>The invitation opens nothing any more.</li>
          <li>What they have read with it, they have. That cannot be unsent.</li>
        </ul>
      ) : (
        <ul className="means">
          <li>What is written from now on they cannot read.</li>
          <li>What they write from now on counts nowhere, whatever date they put on it.</li>
          <li>What they wrote before stays.</li>
          <li>What they have read, they have. That cannot be unsent.</li>
        </ul>
      )}
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="button" className="button danger" disabled={busy} onClick={remove}>
          {busy ? 'Telling the others…' : member.invited ? 'Take it back' : 'Remove'}
        </button>
        <button type="button" className="button" onClick={onClose}>
          {member.invited ? 'Leave it' : 'Keep'}
        </button>
      </div>
    </Dialog>
  )
}
