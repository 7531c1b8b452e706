import { useEffect, useRef } from 'react'
import { useStatus } from './status'

/**
 * Calls `ask` some time after the pod was written to, and never more often than `every` says (ms): an import writes all the time.
 * For what no live query can tell. What it returns asks for another turn.
 */
export function useAgain(ask: () => void, every: () => number): () => void {
  const commits = useStatus()?.commits
  const latest = useRef({ ask, every })
  const due = useRef<ReturnType<typeof setTimeout> | null>(null)
  const soon = useRef(() => {
    due.current ??= setTimeout(() => {
      due.current = null
      latest.current.ask()
    }, latest.current.every())
  })
  useEffect(() => {
    latest.current = { ask, every }
  })
  const known = useRef(commits)
  useEffect(() => {
    if (known.current !== undefined && known.current !== commits) soon.current()
    known.current = commits
  }, [commits])
  useEffect(
    () => () => {
      if (due.current) clearTimeout(due.current)
      due.current = null
    },
    [],
  )
  return soon.current
}
