/** Some positions to ask for, in order, counted from 1. */
export function askedPositions(words: number, howMany: number): number[] {
  const positions = Array.from({ length: words }, (_, at) => at + 1)
  const chosen: number[] = []
  while (chosen.length < howMany && positions.length > 0) {
    const [random = 0] = crypto.getRandomValues(new Uint32Array(1))
    chosen.push(...positions.splice(random % positions.length, 1))
  }
  return chosen.sort((a, b) => a - b)
}

const plural = new Intl.PluralRules('en', { type: 'ordinal' })
const SUFFIX: Partial<Record<Intl.LDMLPluralRule, string>> = { one: 'st', two: 'nd', few: 'rd' }

export function ordinal(position: number): string {
  return `${position}${SUFFIX[plural.select(position)] ?? 'th'}`
}
