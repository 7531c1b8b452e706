/** Round numbers from 0, or from below it, that reach beyond all values: what an axis shows. */
export function ticks(least: number, most: number, wanted = 4): number[] {
  const low = Math.min(0, least)
  const high = Math.max(0, most)
  const span = high - low || 1
  const rough = span / wanted
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999) ?? 10 * power
  const first = Math.floor(low / step)
  const last = Math.ceil(high / step)
  return Array.from({ length: Math.max(1, last - first) + 1 }, (_, at) => (first + at) * step)
}

/** Which of so many labels there is room for: the first, and then every nth. */
export function shownLabels(count: number, room: number): number[] {
  const step = Math.max(1, Math.ceil(count / Math.max(1, room)))
  return Array.from({ length: Math.ceil(count / step) }, (_, at) => at * step)
}
