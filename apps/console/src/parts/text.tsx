import { useMemo } from 'react'
import { spans } from '../data/links'

/** Plain text with its addresses, tags and mentions marked. Line breaks are kept by CSS. */
export function Text({ text }: { text: string }) {
  const found = useMemo(() => spans(text), [text])
  return found.map((span, at) => {
    if (span.kind === 'text') return span.text
    if (span.kind === 'link') {
      return (
        <a key={at} href={span.href} target="_blank" rel="noopener noreferrer nofollow" title={span.href}>
          {span.text}
        </a>
      )
    }
    return (
      <span key={at} className={span.kind}>
        {span.text}
      </span>
    )
  })
}
