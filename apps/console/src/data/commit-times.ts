import { useEffect, useState } from 'react'
import { api } from '../api/http'
import { useStatus } from './status'

const NONE: number[] = []

/** The times at which something was written, ascending. Read again after every commit, while somebody looks. */
export function useCommitTimes(wanted: boolean): number[] {
  const commits = useStatus()?.commits
  const [times, setTimes] = useState<number[]>(NONE)
  useEffect(() => {
    if (!wanted) return
    const controller = new AbortController()
    api.commitTimes(controller.signal).then(
      (found) => setTimes(found.times),
      () => {},
    )
    return () => controller.abort()
  }, [commits, wanted])
  return times
}
