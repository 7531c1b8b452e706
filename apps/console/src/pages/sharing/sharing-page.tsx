import { useEffect, useState } from 'react'
import { drafts, grants, proposals, shared, useProposals } from '../../data/polled'
import { useStatus } from '../../data/status'
import { Icon } from '../../parts/icon'
import { DraftList } from './drafts'
import { GivenList } from './given'
import { Proposals } from './proposals'
import { Share } from './share'
import { SharedList } from './shared'
import { Who } from '../../parts/who'

/** What this person shares, what is shared with them, and what others would like to be changed. */
export function SharingPage() {
  const status = useStatus()
  const [sharing, setSharing] = useState(false)
  const asked = useProposals()
  const commits = status?.commits
  useEffect(() => {
    for (const poll of [grants, shared, proposals, drafts]) poll.refresh()
  }, [commits])
  return (
    <div className="page devices sharing">
      <div className="page-head">
        <h1>Sharing</h1>
        <p className="quiet">Give somebody just what you choose, and take it back when you like. It stays true by itself as your data changes.</p>
        {status && (
          <p className="own-did">
            <span>Others share with you by your DID:</span>
            <Who did={status.did} label="Copy your DID" />
          </p>
        )}
      </div>
      <Proposals known={asked} />
      <section aria-labelledby="given">
        <div className="section-head">
          <h2 id="given">You share</h2>
          {!sharing && (
            <button type="button" className="button primary small" onClick={() => setSharing(true)}>
              <Icon name="plus" size={16} />
              Share something
            </button>
          )}
        </div>
        {sharing && <Share onClose={() => setSharing(false)} />}
        <GivenList />
      </section>
      <SharedList />
      <DraftList />
    </div>
  )
}
