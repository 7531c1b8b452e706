import { type FormEvent, useState } from 'react'
import { api } from '../api/http'
import type { Shared } from '../api/types'
import { count } from '../data/exchange'
import { groups, shared } from '../data/polled'
import { powerWords } from '../data/sharing'
import { groupPath, navigate } from '../router'
import { ErrorNote } from './note'

/** As copied from a mail, perhaps over several lines, perhaps with the command before it. */
export function pastedInvitation(text: string): string {
  return text.replace(/^\s*rhizome\s+accept\s+/, '').replace(/\s+/g, '')
}

/** The field for an invitation, to what somebody shares or to a group. One to a group leads there. */
export function Accept() {
  const [invite, setInvite] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const [accepted, setAccepted] = useState<Shared | null>(null)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    setAccepted(null)
    api
      .accept(pastedInvitation(invite))
      .then((taken) => {
        setInvite('')
        if (typeof taken.group === 'string') {
          groups.refresh()
          navigate(groupPath(taken.view))
          return
        }
        setAccepted(taken)
        shared.refresh()
      }, setError)
      .finally(() => setBusy(false))
  }
  return (
    <form className="add-peer" onSubmit={submit}>
      <label htmlFor="invitation">An invitation you got</label>
      <div className="path-row">
        <input
          id="invitation"
          placeholder="rzshare1…"
          value={invite}
          required
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="none"
          onChange={(event) => setInvite(event.target.value)}
        />
        <button type="submit" className="button" disabled={busy || invite.trim() === ''}>
          {busy ? 'Fetching…' : 'Accept'}
        </button>
      </div>
      <p role="status" className="quiet">
        {accepted && `Accepted: ${count(accepted.entities, 'entity', 'entities')} came. You may ${powerWords(accepted.can)}.`}
      </p>
      {error !== null && <ErrorNote error={error} />}
    </form>
  )
}
