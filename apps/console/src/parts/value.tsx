import { createContext, useContext } from 'react'
import type { Value } from '../api/types'
import { useEntity } from '../data/entities'
import { kindOf, nameOf } from '../data/social'
import { useBlobUrl } from '../data/status'
import { exact } from '../data/time'
import { entityPath, Link } from '../router'
import { Text } from './text'

/** One value of a tuple, readable: references by name, times as dates, blobs as links with a preview. */
export function ValueView({ value, mime }: { value: Value; mime?: string | undefined }) {
  if (typeof value === 'boolean') return <code className="value">{String(value)}</code>
  if (typeof value === 'number') return <code className="value number">{value}</code>
  if (typeof value === 'string') {
    return value === '' ? <span className="quiet">empty text</span> : <span className="value text"><Text text={value} /></span>
  }
  if ('time' in value) return <span className="value">{exact(value.time)}</span>
  if ('ref' in value) return <EntityName id={value.ref} />
  if ('blob' in value) return <BlobView cid={value.blob} mime={mime} />
  return <code className="value">{bytesLabel(value.bytes)}</code>
}

/** Entities of another pod are no pages here: what a click on one does, where it is not to lead to its page. */
export const OpenEntity = createContext<((id: string) => void) | null>(null)

export function EntityName({ id }: { id: string }) {
  const open = useContext(OpenEntity)
  if (!open) return <OwnEntityName id={id} />
  return (
    <button type="button" className="entity-name link-button" title={id} onClick={() => open(id)}>
      {shortId(id)}
    </button>
  )
}

function OwnEntityName({ id }: { id: string }) {
  const known = useEntity(id)
  const name = known?.state ? nameOf(known.state) : null
  const kind = known?.state ? kindOf(known.state) : null
  return (
    <Link to={entityPath(id)} className="entity-name" title={id}>
      {name ?? (kind ? `${kind} ${shortId(id)}` : shortId(id))}
    </Link>
  )
}

function BlobView({ cid, mime }: { cid: string; mime: string | undefined }) {
  const src = useBlobUrl(cid)
  if (!src) return <code className="value">{shortId(cid)}</code>
  return (
    <a href={src} target="_blank" rel="noopener" className="blob-link" title={cid}>
      {!mime || mime.startsWith('image/') ? <BlobPreview src={src} /> : null}
      <code>{shortId(cid)}</code>
    </a>
  )
}

function BlobPreview({ src }: { src: string }) {
  return (
    <img
      src={src}
      alt=""
      loading="lazy"
      className="blob-preview"
      onError={(event) => {
        event.currentTarget.hidden = true
      }}
    />
  )
}

/** Ids by their ends: enough to tell a few apart, with the whole one in a tooltip. */
export function shortId(id: string): string {
  const colon = id.lastIndexOf(':') + 1
  const rest = id.slice(colon)
  return rest.length > 14 ? `${id.slice(0, colon)}${rest.slice(0, 6)}…${rest.slice(-5)}` : id
}

function bytesLabel(base64: string): string {
  const length = Math.floor((base64.replace(/=+$/, '').length * 3) / 4)
  return `${length} bytes`
}
