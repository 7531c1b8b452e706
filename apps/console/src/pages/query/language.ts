import type { Position } from '../../api/types'

/** Just enough of Datalog's and JSON's surface to colour them and to mark a place. The pod alone parses queries. */

export type TokenKind = 'string' | 'variable' | 'keyword' | 'number' | 'comment' | 'bracket' | 'word' | 'space'

export interface Token {
  kind: TokenKind
  text: string
  /** UTF-16 offset into the text. */
  at: number
}

const TOKEN =
  /(?<comment>;[^\n]*)|(?<string>"(?:[^"\\]|\\[^])*"?)|(?<bracket>[()[\]{}])|(?<variable>[?$][^\s()[\]{}",;]*)|(?<keyword>:[^\s()[\]{}",;]+)|(?<number>-?\d[^\s()[\]{}",;]*)|(?<space>[\s,]+)|(?<word>[^\s()[\]{}",;]+)/gu

export function tokens(text: string): Token[] {
  const found: Token[] = []
  for (const match of text.matchAll(TOKEN)) {
    const kind = Object.entries(match.groups ?? {}).find(([, part]) => part !== undefined)?.[0]
    found.push({ kind: (kind ?? 'word') as TokenKind, text: match[0], at: match.index })
  }
  return found
}

/** JSON begins with an object whose first member is a string; everything else is read as Datalog. */
export function isIql(text: string): boolean {
  return /^\s*\{\s*["}]/.test(text)
}

/** The piece of text that a position means, as UTF-16 offsets: the token that starts there, at least one character. */
export function rangeAt(text: string, position: Position): [from: number, to: number] {
  const start = lineStart(text, position.line)
  const line = text.slice(start).split('\n', 1)[0] ?? ''
  const from = start + [...line].slice(0, position.column - 1).join('').length
  const token = tokens(text).find((each) => each.at <= from && from < each.at + each.text.length && each.kind !== 'space')
  const to = token ? token.at + token.text.length : from + 1
  return [Math.min(from, text.length), Math.min(to, text.length)]
}

function lineStart(text: string, line: number): number {
  let start = 0
  for (let at = 1; at < line; at++) {
    const next = text.indexOf('\n', start)
    if (next < 0) return text.length
    start = next + 1
  }
  return start
}
