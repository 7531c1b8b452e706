import { CopyButton } from './copy'

const PREFIX = 'did:rhizome:'

/** A DID by its end: they all begin alike. */
export function shortDid(did: string): string {
  return did.startsWith(PREFIX) && did.length > 30 ? `${PREFIX}…${did.slice(-10)}` : did
}

/** A person, by their DID. */
export function Who({ did, label = 'Copy this DID' }: { did: string; label?: string }) {
  return (
    <span className="key">
      <code title={did}>{shortDid(did)}</code>
      <CopyButton text={did} label={label} />
    </span>
  )
}
