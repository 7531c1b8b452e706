import { exact, isRepresentable, roughly, useNow } from '../data/time'

/** “5 min. ago” or a date; the exact moment as a tooltip and for screen readers’ `time` support. */
export function Time({ at }: { at: number }) {
  const now = useNow()
  if (!isRepresentable(at)) return <span>{at} ms</span>
  return (
    <time dateTime={new Date(at).toISOString()} title={exact(at)}>
      {roughly(at, now)}
    </time>
  )
}
