import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { useEntity } from '../../data/entities'
import { readMedia } from '../../data/social'
import { useBlobUrl } from '../../data/status'
import { Icon } from '../../parts/icon'

/** Media at full size. Arrow keys, buttons or a swipe move; Escape or a click beside the picture closes. */
export function Lightbox({ ids, start, onClose }: { ids: string[]; start: number; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [at, setAt] = useState(start)
  const touch = useRef<number | null>(null)
  const last = ids.length - 1
  const go = (to: number) => setAt(Math.max(0, Math.min(last, to)))

  useEffect(() => {
    const element = dialog.current
    if (!element) return
    const before = document.activeElement
    if (!element.open) element.showModal()
    return () => {
      element.close()
      if (before instanceof HTMLElement) before.focus({ preventScroll: true })
    }
  }, [])

  const keys = (event: KeyboardEvent) => {
    if (event.key === 'ArrowLeft') go(at - 1)
    else if (event.key === 'ArrowRight') go(at + 1)
    else if (event.key === 'Home') go(0)
    else if (event.key === 'End') go(last)
    else return
    event.preventDefault()
  }

  return (
    <dialog
      ref={dialog}
      className="lightbox"
      aria-label={`Media ${at + 1} of ${ids.length}`}
      onKeyDown={keys}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onClick={(event) => {
        if (event.target instanceof Element && !event.target.closest('img, video, button, figcaption')) onClose()
      }}
      onPointerDown={(event) => {
        touch.current = event.pointerType === 'touch' ? event.clientX : null
      }}
      onPointerUp={(event) => {
        if (touch.current === null) return
        const moved = event.clientX - touch.current
        touch.current = null
        if (Math.abs(moved) > 60) go(moved > 0 ? at - 1 : at + 1)
      }}
    >
      <Large key={ids[at]} id={ids[at] ?? ''} />
      <button type="button" className="lightbox-button close" aria-label="Close" onClick={onClose}>
        <Icon name="close" size={24} />
      </button>
      {at > 0 && (
        <button type="button" className="lightbox-button left" aria-label="Previous" onClick={() => go(at - 1)}>
          <Icon name="left" size={28} />
        </button>
      )}
      {at < last && (
        <button type="button" className="lightbox-button right" aria-label="Next" onClick={() => go(at + 1)}>
          <Icon name="right" size={28} />
        </button>
      )}
      {ids.length > 1 && (
        <p className="lightbox-count" role="status">
          {at + 1} of {ids.length}
        </p>
      )}
    </dialog>
  )
}

function Large({ id }: { id: string }) {
  const known = useEntity(id)
  const media = known?.state ? readMedia(id, known.state) : null
  const src = useBlobUrl(media?.blob ?? null)
  if (!media || !src) return <p className="lightbox-empty">This file was not in the export.</p>
  const isClip = /^(video|audio)\//.test(media.mime)
  return (
    <figure>
      {isClip ? (
        <video src={src} controls autoPlay aria-label={media.alt ?? 'Video without a description'} />
      ) : (
        <img src={src} alt={media.alt ?? 'Picture without a description'} draggable={false} />
      )}
      {media.alt && <figcaption>{media.alt}</figcaption>}
    </figure>
  )
}
