import { type FormEvent, useState } from 'react'
import { api } from '../../api/http'
import type { Device, Peer, Peers as Known } from '../../api/types'
import { count, peerWords } from '../../data/exchange'
import { type Polled, peers } from '../../data/polled'
import { CopyButton } from '../../parts/copy'
import { Dialog } from '../../parts/dialog'
import { Icon } from '../../parts/icon'
import { ErrorNote, Loading } from '../../parts/note'
import { Time } from '../../parts/time'
import { shortId } from '../../parts/value'

/** The peers that keep the pod: how it stands with each, a new one by its address, one fewer. */
export function Peers({ known, devices }: { known: Polled<Known>; devices: Device[] }) {
  const { value, error } = known
  return (
    <section aria-labelledby="peers">
      <div className="section-head">
        <h2 id="peers">
          Peers that keep your pod {value && <span className="count">{value.peers.length}</span>}
        </h2>
      </div>
      {error !== null && !value && <ErrorNote error={error} />}
      {!value && error === null && <Loading what="Reading" />}
      {value && value.peers.length === 0 && (
        <p className="quiet">
          None yet. A peer that is always on keeps your devices in step while they sleep. A cloud peer keeps only ciphertext: run{' '}
          <code>rhizome cloud-peer</code> on any machine, and paste the address that it prints.
        </p>
      )}
      {value && value.peers.length > 0 && (
        <ul className="cards">
          {value.peers.map((peer) => (
            <PeerRow key={peer.key} peer={peer} device={devices.find((each) => each.key === peer.key)} />
          ))}
        </ul>
      )}
      <AddPeer />
    </section>
  )
}

function PeerRow({ peer, device }: { peer: Peer; device: Device | undefined }) {
  const [forgetting, setForgetting] = useState(false)
  const { tone, words } = peerWords(peer)
  const shortKey = shortId(peer.key.replace(/^did:key:/, ''))
  const name = device?.name ?? `Cloud peer ${shortKey}`
  return (
    <li className="card" data-peer={peer.key}>
      <Icon name={device ? 'devices' : 'cloud'} size={22} />
      <div className="card-body">
        <h3>
          {device ? name : 'Cloud peer'}
          <span className={`state ${tone}`}>
            <span className="dot" aria-hidden="true" />
            {words}
          </span>
        </h3>
        {!peer.connected && peer.error && <p className="card-error">{peer.error}</p>}
        <p className="card-facts">
          <span>
            {peer.synced_ms ? (
              <>
                last compared <Time at={peer.synced_ms} />
              </>
            ) : (
              'not compared since this node started'
            )}
          </span>
          {!peer.connected && Boolean(peer.pending) && <span>{count(peer.pending ?? 0, 'change')} wait for it</span>}
          <span title="Since this node started">
            {(peer.received ?? 0).toLocaleString()} received, {(peer.delivered ?? 0).toLocaleString()} delivered
          </span>
          <span className="key">
            <code title={peer.address}>{shortKey}</code>
            <CopyButton text={peer.address} label={`Copy the address of ${name}`} />
          </span>
        </p>
      </div>
      <div className="card-actions">
        <button type="button" className="quiet-button" onClick={() => setForgetting(true)}>
          <Icon name="close" size={16} />
          Forget<span className="visually-hidden"> {name}</span>
        </button>
      </div>
      {forgetting && <Forget peer={peer} name={name} onClose={() => setForgetting(false)} />}
    </li>
  )
}

function Forget({ peer, name, onClose }: { peer: Peer; name: string; onClose: () => void }) {
  const [error, setError] = useState<unknown>(null)
  const forget = () => {
    api.removePeer(peer.key).then(() => {
      peers.refresh()
      onClose()
    }, setError)
  }
  return (
    <Dialog title={`Forget ${name}?`} onClose={onClose}>
      <p>None of your devices will talk to it any more. It keeps what it has and gets nothing new.</p>
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="button" className="button danger" onClick={forget}>
          Forget it
        </button>
        <button type="button" className="button" onClick={onClose}>
          Keep it
        </button>
      </div>
    </Dialog>
  )
}

function AddPeer() {
  const [address, setAddress] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const [added, setAdded] = useState<string | null>(null)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    setAdded(null)
    api
      .addPeer(address.trim())
      .then((report) => {
        setAddress('')
        setAdded(report.equal ? 'It has everything that is here.' : 'It is added; something still differs.')
        peers.refresh()
      }, setError)
      .finally(() => setBusy(false))
  }
  return (
    <form className="add-peer" onSubmit={submit}>
      <label htmlFor="peer-address">Address of a peer</label>
      <div className="path-row">
        <input
          id="peer-address"
          placeholder="rhizome:…"
          value={address}
          required
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="none"
          onChange={(event) => setAddress(event.target.value)}
        />
        <button type="submit" className="button" disabled={busy || address.trim() === ''}>
          {busy ? 'Exchanging…' : 'Add'}
        </button>
      </div>
      <p role="status" className="quiet">
        {added}
      </p>
      {error !== null && <ErrorNote error={error} />}
    </form>
  )
}
