// The records: a key, and a text of so many bytes. `bench/src/device/records.rs` makes the same.
const LETTERS = 'abcdefghijklmnopqrstuvwxyz     '
const MASK = (1n << 64n) - 1n

/** splitmix64 */
function random (seed) {
  let state = BigInt(seed)
  return () => {
    state = (state + 0x9E3779B97F4A7C15n) & MASK
    let z = state
    z = ((z ^ (z >> 30n)) * 0xBF58476D1CE4E5B9n) & MASK
    z = ((z ^ (z >> 27n)) * 0x94D049BB133111EBn) & MASK
    return z ^ (z >> 31n)
  }
}

export const key = i => 'rec-' + String(i).padStart(7, '0')

export function body (i, version, payload) {
  const draw = random(i * 7919 + version)
  let text = ''
  for (let k = 0; k < payload; k++) text += LETTERS[Number(draw() % 31n)]
  return text
}

/** The records that a change touches, spread over all. */
export function changed (k, n) {
  const step = Math.max(1, Math.floor(n / k))
  return Array.from({ length: Math.min(k, n) }, (_, j) => (j * step + (step >> 1)) % n)
}

/** [key, text] of records. */
export const records = (numbers, version, payload) => numbers.map(i => [key(i), body(i, version, payload)])
