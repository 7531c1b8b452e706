import { type FormEvent, useState } from 'react'
import { api } from '../../api/http'
import type { Group } from '../../api/types'
import { count } from '../../data/exchange'
import { aRole, isAlone, standing } from '../../data/groups'
import { groups, useGroups } from '../../data/polled'
import { useStatus } from '../../data/status'
import { Accept } from '../../parts/accept'
import { Icon } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { Who } from '../../parts/who'
import { groupPath, Link, navigate } from '../../router'

/** The groups that this person is in, a new one, and the way into one of somebody else's. */
export function GroupsPage() {
  const own = useStatus()?.did ?? null
  const { value, error } = useGroups()
  return (
    <div className="page devices sharing groups">
      <div className="page-head">
        <h1>Groups</h1>
        <p className="quiet">What belongs to several people: a club’s album, a family’s papers. Everybody in it has all of it on their own devices, and nobody else can read it.</p>
        {own !== null && (
          <p className="own-did">
            <span>Others invite you by your DID:</span>
            <Who did={own} label="Copy your DID" />
          </p>
        )}
      </div>
      <section aria-labelledby="yours">
        <div className="section-head">
          <h2 id="yours">Your groups {value && value.groups.length > 0 && <span className="count">{value.groups.length}</span>}</h2>
        </div>
        {error !== null && !value && <ErrorNote error={error} />}
        {!value && error === null && <Loading what="Reading" />}
        {value && value.groups.length === 0 && <p className="quiet">You are in none. Make one and invite others, or paste the invitation that somebody gave you.</p>}
        {value && value.groups.length > 0 && (
          <ul className="cards">
            {value.groups.map((group) => (
              <GroupRow key={group.group} group={group} own={own} />
            ))}
          </ul>
        )}
      </section>
      <section aria-labelledby="enter">
        <div className="section-head">
          <h2 id="enter">Make or enter one</h2>
        </div>
        <Make />
        <Accept />
      </section>
    </div>
  )
}

function GroupRow({ group, own }: { group: Group; own: string | null }) {
  const there = group.members.filter((each) => !each.invited).length
  const invited = group.members.length - there
  const how = standing(group, own)
  return (
    <li className="card" data-group={group.group}>
      <Icon name="groups" size={22} />
      <div className="card-body">
        <h3>
          <Link to={groupPath(group.group)}>{group.name}</Link>
        </h3>
        <p className="card-facts">
          {how === 'out' && <span>you are no longer in it</span>}
          {how !== 'out' && <span>you are {how === 'waiting' ? `invited as ${aRole(group.role)}` : aRole(group.role)}</span>}
          <span>{how === 'in' && isAlone(group, own) ? 'only you so far' : count(there, 'person', 'people')}</span>
          {invited > 0 && (
            <span className="state busy">
              <span className="dot" aria-hidden="true" />
              {invited} invited
            </span>
          )}
        </p>
      </div>
    </li>
  )
}

function Make() {
  const [name, setName] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    api
      .createGroup(name.trim())
      .then((made) => {
        groups.refresh()
        navigate(groupPath(made.group))
      }, setError)
      .finally(() => setBusy(false))
  }
  return (
    <form className="add-peer" aria-label="Make a group" onSubmit={submit}>
      <label htmlFor="group-name">The name of a new group</label>
      <div className="path-row">
        <input id="group-name" placeholder="Garibaldi Chess Club" value={name} required maxLength={120} autoComplete="off" onChange={(event) => setName(event.target.value)} />
        <button type="submit" className="button" disabled={busy || name.trim() === ''}>
          {busy ? 'Making it…' : 'Make it'}
        </button>
      </div>
      {error !== null && <ErrorNote error={error} />}
    </form>
  )
}
