import { describe, expect, it } from 'vitest'
import { chartOf, numbers } from './chart-of'

const DAY = 86_400_000
const START = Date.UTC(2024, 0, 1)

describe('a result as a chart', () => {
  it('draws a bar for each name', () => {
    const chart = chartOf(['?audience', '(count ?p)'], [['public', 30], ['direct', 2]])
    expect(chart).toMatchObject({ kind: 'bar', label: 0, value: 1, left: 0 })
    expect(chart?.points).toEqual([{ label: 'public', value: 30 }, { label: 'direct', value: 2 }])
  })

  it('draws a line over time, in its order', () => {
    const chart = chartOf(['?likes', '?when'], [[5, START + DAY], [7, START]])
    expect(chart?.kind).toBe('line')
    expect(chart?.points.map((point) => [point.x, point.value])).toEqual([[START, 7], [START + DAY, 5]])
  })

  it('draws numbers over numbers', () => {
    expect(chartOf(['?width', '?height'], [[2, 20], [1, 10]])).toMatchObject({ kind: 'line', label: 0, value: 1 })
  })

  it('takes the column that is wanted', () => {
    const rows = [['a', 1, 9], ['b', 2, 8]]
    expect(numbers(['?n', '?x', '?y'], rows)).toEqual([1, 2])
    expect(chartOf(['?n', '?x', '?y'], rows, 1)?.value).toBe(1)
    expect(chartOf(['?n', '?x', '?y'], rows)?.value).toBe(2)
  })

  it('says what it leaves out', () => {
    const many = Array.from({ length: 100 }, (_, at) => [`n${at}`, at])
    expect(chartOf(['?n', '?x'], many)).toMatchObject({ left: 40 })
    expect(chartOf(['?n', '?x'], [['a', 1], ['b', null]])).toMatchObject({ left: 1 })
  })

  it('is none where no numbers are, or nothing names them', () => {
    expect(chartOf(['?n'], [['a']])).toBeNull()
    expect(chartOf(['?x'], [[1]])).toBeNull()
    expect(chartOf(['?n', '?x'], [])).toBeNull()
    expect(chartOf(['?n', '?x'], [['a', { time: 5 }]])).toBeNull()
  })
})
