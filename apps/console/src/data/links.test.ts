import { describe, expect, it } from 'vitest'
import { spans } from './links'

const brief = (text: string) => spans(text).map((span) => (span.kind === 'link' ? `<${span.href}>` : span.kind === 'text' ? span.text : `{${span.text}}`))

describe('spans', () => {
  it('gives the text back when nothing is in it', () => {
    expect(brief('Who’s a good boi? 2 < 3 & 4')).toEqual(['Who’s a good boi? 2 < 3 & 4'])
  })
  it('leaves a sentence’s punctuation out of an address', () => {
    expect(brief('See https://a.example/x. And (https://b.example/y_(z)), ok')).toEqual([
      'See ', '<https://a.example/x>', '. And (', '<https://b.example/y_(z)>', '), ok',
    ])
  })
  it('finds tags and mentions, not parts of words', () => {
    expect(brief('#Birds and @ann@a.example, mail me@x.example C# a#b #1')).toEqual([
      '{#Birds}', ' and ', '{@ann@a.example}', ', mail me@x.example C# a#b #1',
    ])
  })
  it('links nothing but http and https', () => {
    expect(brief('javascript:alert(1) data:text/html,x ftp://x https://')).toEqual(['javascript:alert(1) data:text/html,x ftp://x https://'])
  })
  it('keeps every letter', () => {
    const text = 'a https://x.example/1?q=#t @b #c\n\nhttp://y.example'
    const back = spans(text).map((span) => span.text.replace('x.example', 'https://x.example').replace('y.example', 'http://y.example')).join('')
    expect(back).toBe(text)
  })
})
