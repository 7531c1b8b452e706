import { useState } from 'react'
import { api } from '../../api/http'
import type { Group } from '../../api/types'
import { mayLeave, standing } from '../../data/groups'
import { groups } from '../../data/polled'
import { Dialog } from '../../parts/dialog'
import { ErrorNote } from '../../parts/note'
import { navigate } from '../../router'

/** Goes from a group, or forgets one that somebody removed this person from. */
export function Leave({ group, own, onClose }: { group: Group; own: string | null; onClose: () => void }) {
  const [error, setError] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const isOut = standing(group, own) === 'out'
  const isLast = group.members.every((each) => each.did === own)
  const leave = () => {
    setBusy(true)
    setError(null)
    api
      .leaveGroup(group.group)
      .then(() => {
        groups.refresh()
        navigate('/groups')
      }, setError)
      .finally(() => setBusy(false))
  }
  if (!mayLeave(group, own)) {
    return (
      <Dialog title="You are the only admin" onClose={onClose}>
        <p>Somebody has to be able to invite people to {group.name} and to remove them. Invite another admin, and go when they have come; or remove everybody first.</p>
        <div className="actions">
          <button type="button" className="button primary" onClick={onClose}>
            Stay
          </button>
        </div>
      </Dialog>
    )
  }
  return (
    <Dialog title={isOut ? 'Forget this group?' : 'Leave this group?'} onClose={onClose}>
      <p>
        <b>{group.name}</b>
      </p>
      <ul className="means">
        <li>It goes from all your devices; files that came with it stay.</li>
        {!isOut && <li>What you wrote stays with the others.</li>}
        {!isOut && isLast ? (
          <li>You are the only one here: when you are gone, nobody can open it any more.</li>
        ) : (
          <li>To come back you need a new invitation.</li>
        )}
      </ul>
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="button" className="button danger" disabled={busy} onClick={leave}>
          {isOut ? 'Forget it' : busy ? 'Telling the others…' : 'Leave'}
        </button>
        <button type="button" className="button" onClick={onClose}>
          {isOut ? 'Keep it' : 'Stay'}
        </button>
      </div>
    </Dialog>
  )
}
