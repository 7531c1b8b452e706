import { type FormEvent, useId, useState } from 'react'
import { api } from '../../api/http'
import type { Talk } from '../../api/types'
import { useStatus } from '../../data/status'
import { ErrorNote } from '../../parts/note'
import { Time } from '../../parts/time'
import { Who } from '../../parts/who'

interface TalkProps {
  /** The proposal. */
  id: string
  talk: Talk
  /** Why nobody would read an answer; `null` if somebody would. */
  mute?: string | null
  /** Something was said. */
  onSaid: () => void
}

const LONGEST = 4096

/** What was said about a proposal, and a field to answer. */
export function TalkView({ id, talk, mute = null, onSaid }: TalkProps) {
  const own = useStatus()?.did
  return (
    <div className="talk" data-talk={id}>
      {talk.comments_left_out > 0 && <p className="quiet">Older ones are left out: {talk.comments_left_out}.</p>}
      {talk.comments.length > 0 && (
        <ol className="talk-said" aria-label="What was said about it">
          {talk.comments.map((comment, at) => (
            <li key={at}>
              <p className="card-facts">
                {comment.from === own ? <b>you</b> : <Who did={comment.from} />}
                <span title="By their clock">
                  <Time at={comment.at_ms} />
                </span>
              </p>
              <p className="talk-text">{comment.text}</p>
            </li>
          ))}
        </ol>
      )}
      {mute === null ? <Answer id={id} onSaid={onSaid} /> : <p className="quiet">{mute}</p>}
    </div>
  )
}

function Answer({ id, onSaid }: Pick<TalkProps, 'id' | 'onSaid'>) {
  const field = useId()
  const [text, setText] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const bytes = new TextEncoder().encode(text).length
  const say = (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    api
      .comment(id, text.trim())
      .then(() => {
        setText('')
        onSaid()
      }, setError)
      .finally(() => setBusy(false))
  }
  return (
    <form className="talk-answer" onSubmit={say}>
      <label className="visually-hidden" htmlFor={field}>
        Say something about it
      </label>
      <textarea id={field} rows={1} value={text} placeholder="Say something about it" onChange={(event) => setText(event.target.value)} />
      {text.trim() !== '' && (
        <div className="actions">
          <button type="submit" className="button small" disabled={busy || bytes > LONGEST}>
            {busy ? 'Saying…' : 'Say it'}
          </button>
          <p className="quiet">{bytes > LONGEST ? `Too long by ${bytes - LONGEST} bytes: say it in several.` : 'All who have this share may read it.'}</p>
        </div>
      )}
      {error !== null && <ErrorNote error={error} />}
    </form>
  )
}
