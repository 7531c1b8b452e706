import { useState } from 'react'
import type { Group } from '../../api/types'
import { aRole, mayInvite, mayWrite, standing } from '../../data/groups'
import { useGroups } from '../../data/polled'
import { useStatus } from '../../data/status'
import { ErrorNote, Loading } from '../../parts/note'
import { Icon } from '../../parts/icon'
import { Who } from '../../parts/who'
import { Link } from '../../router'
import { Contents } from './contents'
import { Invite } from './invite'
import { Leave } from './leave'
import { Members } from './members'

/** One group: who is in it, and what. */
export function GroupPage({ did }: { did: string }) {
  const own = useStatus()?.did ?? null
  const { value, error } = useGroups()
  const group = value?.groups.find((each) => each.group === did)
  return (
    <div className="page devices sharing groups">
      <nav aria-label="You are here" className="crumbs">
        <Link to="/groups">Groups</Link> <span aria-hidden="true">›</span>
      </nav>
      {group ? (
        <Inside group={group} own={own} />
      ) : (
        <>
          <div className="page-head">
            <h1>Group</h1>
          </div>
          {error !== null && !value && <ErrorNote error={error} />}
          {!value && error === null && <Loading what="Reading" />}
          {value && <p className="quiet">You are in no such group, as far as this device knows. If you entered it on another one, it comes here by itself.</p>}
        </>
      )}
    </div>
  )
}

function Inside({ group, own }: { group: Group; own: string | null }) {
  const [inviting, setInviting] = useState(false)
  const [leaving, setLeaving] = useState(false)
  const how = standing(group, own)
  return (
    <>
      <div className="page-head">
        <h1>{group.name}</h1>
        <p className="own-did">
          {how === 'in' && <span>You are {aRole(group.role)} here.</span>}
          <span>
            The group: <Who did={group.group} label="Copy the DID of the group" />
          </span>
        </p>
      </div>
      {how === 'waiting' && (
        <div className="note" role="status">
          <Icon name="direct" />
          <div>
            <p>You can read it. To {group.role === 'reader' ? 'stay' : 'write'}, who invited you has to see that you came.</p>
            <p className="quiet">Their device does that by itself when it is on. You need do nothing.</p>
          </div>
        </div>
      )}
      {how === 'out' && (
        <div className="note" role="status">
          <Icon name="warning" />
          <div>
            <p>You are no longer in this group.</p>
            <p className="quiet">What came here before is still here. What is written there now you cannot read, and what you write counts nowhere.</p>
          </div>
        </div>
      )}
      <Contents group={group} own={own} canWrite={mayWrite(group, own)} />
      <section aria-labelledby="members">
        <div className="section-head">
          <h2 id="members">
            People <span className="count">{group.members.length}</span>
          </h2>
          {mayInvite(group, own) && !inviting && (
            <button type="button" className="button primary small" onClick={() => setInviting(true)}>
              <Icon name="plus" size={16} />
              Invite somebody
            </button>
          )}
        </div>
        {inviting && <Invite group={group} own={own} onClose={() => setInviting(false)} />}
        <Members group={group} own={own} />
      </section>
      <div className="actions leave">
        <button type="button" className="button" onClick={() => setLeaving(true)}>
          {how === 'out' ? 'Forget this group' : 'Leave this group'}
        </button>
      </div>
      {leaving && <Leave group={group} own={own} onClose={() => setLeaving(false)} />}
    </>
  )
}
