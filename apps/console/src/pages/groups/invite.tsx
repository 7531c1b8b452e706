import { type FormEvent, useEffect, useId, useRef, useState } from 'react'
import { api } from '../../api/http'
import type { Group, GroupRole } from '../../api/types'
import { aRole, ROLES } from '../../data/groups'
import { groups, usePeers } from '../../data/polled'
import { Icon } from '../../parts/icon'
import { InvitationText } from '../../parts/invitation'
import { ErrorNote } from '../../parts/note'
import { Who } from '../../parts/who'
import { Link } from '../../router'

interface Made {
  to: string
  as: GroupRole
  invite: string
  sent: boolean
}

/** Says whom, and as what; then shows the invitation, which is nowhere else. */
export function Invite({ group, own, onClose }: { group: Group; own: string | null; onClose: () => void }) {
  const [made, setMade] = useState<Made | null>(null)
  return (
    <div className="panel">
      {made === null ? (
        <InviteForm group={group} own={own} onMade={setMade} onClose={onClose} />
      ) : (
        <Invited group={group} made={made} onAgain={() => setMade(null)} onClose={onClose} />
      )}
    </div>
  )
}

function InviteForm({ group, own, onMade, onClose }: { group: Group; own: string | null; onMade: (made: Made) => void; onClose: () => void }) {
  const [to, setTo] = useState('')
  const [role, setRole] = useState<GroupRole>('member')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const isKept = usePeers().value?.peers.length !== 0
  const id = useId()
  const did = to.replace(/\s+/g, '')
  const known = group.members.find((each) => each.did === did)
  const wrong =
    did !== '' && did === own
      ? 'That is your own.'
      : known
        ? known.invited
          ? 'They are invited already. To invite them anew, take that invitation back first.'
          : 'They are in this group.'
        : null
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    api
      .inviteToGroup(group.group, did, role)
      .then((made) => {
        groups.refresh()
        onMade(made)
      }, setError)
      .finally(() => setBusy(false))
  }
  return (
    <form className="share" aria-label="Invite somebody" onSubmit={submit}>
      <div className="share-field">
        <label htmlFor={`${id}-to`}>Their DID</label>
        <input
          id={`${id}-to`}
          className="mono"
          placeholder="did:rhizome:…"
          value={to}
          required
          autoFocus
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="none"
          aria-describedby={`${id}-to-help`}
          onChange={(event) => setTo(event.target.value)}
        />
        <p id={`${id}-to-help`} role="status" className={wrong ? 'field-error' : 'quiet'}>
          {wrong ?? 'They find it at the top of their own Groups page.'}
        </p>
      </div>
      <fieldset>
        <legend>As what</legend>
        {ROLES.map((each) => (
          <label key={each.role} className="choice">
            <input type="radio" name={`${id}-role`} value={each.role} checked={role === each.role} onChange={() => setRole(each.role)} />
            <span>
              <b>{each.label}</b>
              <span className="quiet">{each.means}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {!isKept && (
        <div className="note">
          <Icon name="warning" />
          <div>
            <p>No peer keeps your pod, so they can get the group only while another member’s peer has it.</p>
            <p className="quiet">
              <Link to="/devices">Add one</Link> first. A cloud peer will do: it can read none of it.
            </p>
          </div>
        </div>
      )}
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="submit" className="button primary" disabled={busy || did === '' || wrong !== null}>
          {busy ? 'Inviting…' : 'Invite'}
        </button>
        <button type="button" className="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </form>
  )
}

function Invited({ group, made, onAgain, onClose }: { group: Group; made: Made; onAgain: () => void; onClose: () => void }) {
  const head = useRef<HTMLHeadingElement>(null)
  useEffect(() => head.current?.focus(), [])
  return (
    <div className="invitation">
      <h3 ref={head} tabIndex={-1}>
        <Icon name="check" size={20} /> Now hand over the invitation
      </h3>
      <p>
        <Who did={made.to} /> comes to {group.name} as {aRole(made.as)}. They paste it on their own Groups page.
      </p>
      <p>
        <b>For them alone, by a way others do not read.</b> Until they have come, whoever has it can read what is in the group; nobody but them can write with it. It is shown only now.
      </p>
      <InvitationText invite={made.invite} sent={made.sent} />
      <div className="actions">
        <button type="button" className="button primary" onClick={onClose}>
          I have handed it over
        </button>
        <button type="button" className="button" onClick={onAgain}>
          Invite somebody else
        </button>
      </div>
    </div>
  )
}
