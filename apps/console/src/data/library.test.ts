import { describe, expect, it } from 'vitest'
import { occurrences, plain, readContact, readEvent, readMail, readNote } from './library'

describe('what was imported', () => {
  it('a contact with one of something, and with many', () => {
    const contact = readContact('rz:a', { 'contact/name': 'Ada', 'contact/email': ['a@x.example', 'b@x.example'], 'contact/tel': '+1', 'contact/photo': { blob: 'bafk' }, 'contact/org': 5 })
    expect(contact).toMatchObject({ name: 'Ada', emails: ['a@x.example', 'b@x.example'], phones: ['+1'], photo: 'bafk', org: null })
    expect(readContact('rz:a', {}).name).toBe('Nameless')
  })

  it('HTML becomes plain text and nothing else', () => {
    expect(plain('<style>x</style><p>One &amp; <b>two</b></p><ul><li>a<li>b</ul><script>alert(1)</script>&#x41;&#0;')).toBe('One & two\n• a• bA&#0;')
    expect(readMail('rz:m', { 'mail/html': '<p>Hello<br>you</p>' }).text).toBe('Hello\nyou')
    expect(readNote('rz:n', { 'note/text': '# Bread\nflour' }).title).toBe('Bread')
  })

  it('an all-day event is on its day wherever one is, and repeats', () => {
    const event = readEvent('rz:e', {
      'calendar/title': 'Birthday',
      'calendar/start': { time: Date.UTC(2000, 4, 17) },
      'calendar/end': { time: Date.UTC(2000, 4, 18) },
      'calendar/all-day': true,
      'calendar/rrule': 'FREQ=YEARLY',
      'calendar/exdate': [{ time: Date.UTC(2023, 4, 17) }],
    })
    expect(event).not.toBeNull()
    if (!event) return
    const found = occurrences([event], new Date(2022, 0, 1).getTime(), new Date(2025, 0, 1).getTime())
    expect(found.map(({ start }) => new Date(start).toDateString())).toEqual([new Date(2022, 4, 17).toDateString(), new Date(2024, 4, 17).toDateString()])
    expect(occurrences([{ ...event, rule: 'FREQ=SECONDLY' }], 0, 1e12)).toHaveLength(1)
    expect(readEvent('rz:e', { 'calendar/title': 'Never' })).toBeNull()
  })
})
