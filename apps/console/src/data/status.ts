import { createContext, useContext } from 'react'
import { blobUrl } from '../api/http'
import type { Status } from '../api/types'

/** What the pod says of itself, kept true by the shell; `null` until the first answer. */
export const StatusContext = createContext<Status | null>(null)

export function useStatus(): Status | null {
  return useContext(StatusContext)
}

export function useBlobUrl(cid: string | null): string | null {
  const status = useStatus()
  return cid && status ? blobUrl(cid, status.blob_token) : null
}
