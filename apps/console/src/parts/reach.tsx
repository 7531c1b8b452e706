import { useEffect, useState } from 'react'
import { api } from '../api/http'
import type { Reach } from '../api/types'
import { reachWords } from '../data/exchange'
import { usePeers } from '../data/polled'

/** Where a commit is known to be. Asked again when something moved between this device and a peer. */
export function ReachWords({ commit }: { commit: string }) {
  const peers = usePeers().value
  const [reach, setReach] = useState<Reach | null>(null)
  useEffect(() => {
    const controller = new AbortController()
    // Without an answer nothing is said.
    api.reach(commit, controller.signal).then(setReach, () => {})
    return () => controller.abort()
  }, [commit, peers])
  if (!reach || reach.commit !== commit) return null
  return <span className="reach">{reachWords(reach)}</span>
}
