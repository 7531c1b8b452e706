/** Cuts plain text into links and the rest. Imported HTML is never rendered: this is all that becomes clickable. */

export type Span = { kind: 'text'; text: string } | { kind: 'link'; text: string; href: string } | { kind: 'tag' | 'mention'; text: string }

const TOKEN = /(https?:\/\/[^\s<>"'`]+)|((?<![\p{L}\p{N}_/&])#[\p{L}\p{N}_]*\p{L}[\p{L}\p{N}_]*)|((?<![\p{L}\p{N}_/.])@[A-Za-z0-9_]+(?:@[A-Za-z0-9.-]+[A-Za-z0-9])?)/gu

export function spans(text: string): Span[] {
  const found: Span[] = []
  let from = 0
  const plain = (to: number) => {
    if (to > from) found.push({ kind: 'text', text: text.slice(from, to) })
  }
  for (const match of text.matchAll(TOKEN)) {
    const [whole, url, tag] = match
    if (url) {
      const kept = trimUrl(url)
      const href = safeHref(kept)
      if (!href) continue
      plain(match.index)
      found.push({ kind: 'link', text: shortUrl(kept), href })
      from = match.index + kept.length
    } else {
      plain(match.index)
      found.push({ kind: tag ? 'tag' : 'mention', text: whole })
      from = match.index + whole.length
    }
  }
  plain(text.length)
  return found
}

/** A sentence's full stop, or the bracket that closes one opened before the address, is not part of the address. */
function trimUrl(url: string): string {
  let end = url.length
  for (;;) {
    const last = url.charAt(end - 1)
    if (/[.,;:!?…]/.test(last)) end--
    else if (last === ')' && count(url.slice(0, end), ')') > count(url.slice(0, end), '(')) end--
    else if (last === ']' && count(url.slice(0, end), ']') > count(url.slice(0, end), '[')) end--
    else return url.slice(0, end)
  }
}

function count(text: string, letter: string): number {
  return text.split(letter).length - 1
}

function safeHref(url: string): string | null {
  try {
    const parsed = new URL(url)
    return parsed.protocol === 'https:' || parsed.protocol === 'http:' ? parsed.href : null
  } catch {
    return null
  }
}

function shortUrl(url: string): string {
  const bare = url.replace(/^https?:\/\/(www\.)?/i, '').replace(/\/$/, '')
  return bare.length > 48 ? `${bare.slice(0, 46)}…` : bare
}
