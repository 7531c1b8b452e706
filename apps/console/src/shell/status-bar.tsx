import { useEffect, useSyncExternalStore } from 'react'
import { live } from '../api/pod'
import { bytes, syncWords } from '../data/exchange'
import { peers, usePeers } from '../data/polled'
import { useStatus } from '../data/status'
import { CopyButton } from '../parts/copy'
import { shortId } from '../parts/value'
import { Link } from '../router'

const STATES = {
  connecting: 'Connecting',
  open: 'Live',
  lost: 'Connection lost, trying again',
  refused: 'Not allowed in',
}

const number = new Intl.NumberFormat()

export function StatusBar() {
  const status = useStatus()
  const connection = useSyncExternalStore(
    (listener) => live.watch(listener),
    () => live.state,
  )
  return (
    <footer className="status" aria-label="Pod">
      <div className="status-inner">
        <span className={`connection ${connection}`} role="status">
          <span className="dot" aria-hidden="true" />
          <span>{STATES[connection]}</span>
        </span>
        {status && (
          <>
            <span className="did">
              <code title={status.did}>{shortId(status.did)}</code>
              <CopyButton text={status.did} label="Copy your DID" />
            </span>
            <span className="figures">
              <span title={`${number.format(status.tuples)} tuples`}>
                <b>{number.format(status.entities)}</b> {status.entities === 1 ? 'thing' : 'things'}
              </span>
              <span className="wide-only">
                <b>{number.format(status.blobs.count)}</b> {status.blobs.count === 1 ? 'file' : 'files'}, {bytes(status.blobs.bytes)}
              </span>
            </span>
            <Exchange commits={status.commits} />
          </>
        )}
      </div>
    </footer>
  )
}

/** How it stands with the peers. Asked again at once when something was written. */
function Exchange({ commits }: { commits: number }) {
  const { value } = usePeers()
  useEffect(() => peers.refresh(), [commits])
  if (!value) return null
  const { tone, words } = syncWords(value)
  return (
    <Link to="/devices" className={`state ${tone}`}>
      <span className="dot" aria-hidden="true" />
      {words}
    </Link>
  )
}
