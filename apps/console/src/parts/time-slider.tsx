import { exact } from '../data/time'
import { Icon } from './icon'

/**
 * Another moment: one step for each time at which something was written, the last one is now. `at` is a time, or `null` for now. By pointer, by the
 * arrow keys, or by the buttons beside it.
 */
export function TimeSlider({ times, at, what, onChange }: { times: readonly number[]; at: number | null; what: string; onChange: (at: number | null) => void }) {
  if (times.length === 0) return null
  const last = times.length - 1
  const place = at === null ? last : Math.max(0, lastBefore(times, at))
  const go = (to: number) => onChange(to >= last ? null : (times[Math.max(0, to)] ?? null))
  const words = at === null ? 'now' : exact(times[place] ?? at)
  return (
    <div className="time-slider" role="group" aria-label={`As of another time: ${what}`}>
      <button type="button" className="icon-button" aria-label="Earlier" disabled={place === 0} onClick={() => go(place - 1)}>
        <Icon name="left" />
      </button>
      <input type="range" min={0} max={last} value={place} aria-label="As of" aria-valuetext={words} onChange={(event) => go(event.target.valueAsNumber)} />
      <button type="button" className="icon-button" aria-label="Later" disabled={at === null} onClick={() => go(place + 1)}>
        <Icon name="right" />
      </button>
      <output className={at === null ? 'quiet' : 'then'}>{at === null ? 'As it is now' : `As of ${words}`}</output>
      {at !== null && (
        <button type="button" className="button small" onClick={() => onChange(null)}>
          Back to now
        </button>
      )}
    </div>
  )
}

/** The place of the last time that is not after `at`; -1 if all are. */
export function lastBefore(times: readonly number[], at: number): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((times[middle] ?? Infinity) <= at) low = middle + 1
    else high = middle
  }
  return low - 1
}
