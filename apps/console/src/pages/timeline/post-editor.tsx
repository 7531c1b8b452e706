import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { api } from '../../api/http'
import type { Post } from '../../data/social'
import { offerUndo } from '../../data/undo'
import { ErrorNote } from '../../parts/note'

/** Edits a post's text in place. If the text changes elsewhere meanwhile, the person decides. */
export function PostEditor({ post, onClose }: { post: Post; onClose: () => void }) {
  const [base, setBase] = useState(post.text)
  const [draft, setDraft] = useState(post.text)
  const [saving, setSaving] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const area = useRef<HTMLTextAreaElement>(null)

  useEffect(() => {
    const element = area.current
    if (!element) return
    element.focus({ preventScroll: true })
    element.setSelectionRange(element.value.length, element.value.length)
  }, [])

  const save = async () => {
    if (draft === post.text) return onClose()
    setSaving(true)
    setError(null)
    try {
      const receipt = await api.transact([{ assert: { entity: post.id, attribute: 'social/text', value: draft } }])
      offerUndo(receipt.commit, 'Saved')
      onClose()
    } catch (cause) {
      setError(cause)
      setSaving(false)
    }
  }

  const keys = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      event.stopPropagation()
      onClose()
    } else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault()
      void save()
    }
  }

  return (
    <form
      className="post-editor"
      onSubmit={(event: FormEvent) => {
        event.preventDefault()
        void save()
      }}
    >
      {/* The hidden copy makes the field as tall as its text. */}
      <div className="grow" data-text={`${draft}\n`}>
        <textarea
          ref={area}
          aria-label="Text of the post"
          aria-keyshortcuts="Control+Enter Escape"
          value={draft}
          disabled={saving}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={keys}
        />
      </div>
      {post.text !== base && !saving && (
        <div className="note" role="alert">
          <div>
            <p>This post was changed elsewhere while you were writing:</p>
            <blockquote>{post.text || 'The text was removed.'}</blockquote>
            <div className="actions">
              <button
                type="button"
                className="button small"
                onClick={() => {
                  setBase(post.text)
                  setDraft(post.text)
                }}
              >
                Take that text
              </button>
              <button type="button" className="button small" onClick={() => setBase(post.text)}>
                Keep writing mine
              </button>
            </div>
          </div>
        </div>
      )}
      {error !== null && <ErrorNote error={error} />}
      <div className="actions">
        <button type="submit" className="button primary small" disabled={saving}>
          {saving ? 'Saving…' : 'Save'}
        </button>
        <button type="button" className="button small" disabled={saving} onClick={onClose}>
          Cancel
        </button>
        <span className="quiet hint">
          <kbd>Ctrl</kbd> <kbd>Enter</kbd> saves, <kbd>Esc</kbd> cancels
        </span>
      </div>
    </form>
  )
}
