import { createContext, useContext } from 'react'
import { blobUrl } from '../api/http'
import type { Status } from '../api/types'

/** What the pod says of itself, kept true by the shell; `null` until the first answer. */
export const StatusContext = createContext<Status | null>(null)

export function useStatus(): Status | null {
  return useContext(StatusContext)
}

/** Where a file is; of a picture, one that fits into a square of `size` pixels. */
export function useBlobUrl(cid: string | null, size?: 320 | 640 | 1280): string | null {
  const status = useStatus()
  return cid && status ? blobUrl(cid, status.blob_token, size) : null
}
