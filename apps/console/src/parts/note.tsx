import type { ReactNode } from 'react'
import { ApiError } from '../api/http'
import { MAX_ERROR, theirs } from '../data/apps'
import { Icon } from './icon'

/** Something went wrong, in words, with what to do next when the pod said so. */
export function ErrorNote({ error, children }: { error: unknown; children?: ReactNode }) {
  const hint = error instanceof ApiError ? error.hint : undefined
  return (
    <div className="note error" role="alert">
      <Icon name="warning" />
      <div>
        <p>{error instanceof Error ? error.message : String(error)}</p>
        {hint && <p className="quiet">{hint}</p>}
        {children}
      </div>
    </div>
  )
}

/** What the pod says about what somebody else sent: it may repeat their words, so it stands in quotes like them. */
export function QuotedErrorNote({ error }: { error: unknown }) {
  return (
    <div className="note error" role="alert">
      <Icon name="warning" />
      <p>
        Your pod says: <q className="theirs">{theirs(error instanceof Error ? error.message : String(error), MAX_ERROR)}</q>
      </p>
    </div>
  )
}

export function Loading({ what }: { what: string }) {
  return (
    <p className="loading" role="status">
      {what}…
    </p>
  )
}
