import { useMemo } from 'react'
import { rangeAt, type Token, tokens } from './language'
import type { Position } from '../../api/types'

/**
 * A plain textarea over its own coloured copy: native editing, undo, spelling and screen readers for free. The two
 * share one grid cell and one font, so they never drift apart; the copy also makes the textarea grow.
 */
export function Editor(props: {
  value: string
  error: Position | null
  describedBy: string | undefined
  onChange: (value: string) => void
  onRun: () => void
}) {
  const { value, error } = props
  const found = useMemo(() => tokens(value), [value])
  const mark = error ? rangeAt(value, error) : null
  return (
    <div className="editor">
      <pre className="editor-copy" aria-hidden="true">
        {found.map((token) => (
          <Coloured key={token.at} token={token} mark={mark} />
        ))}
        {mark && mark[0] >= value.length && <span className="mark-error at-end"> </span>}
        {'\n'}
      </pre>
      <textarea
        aria-label="Query"
        aria-invalid={error !== null}
        aria-describedby={props.describedBy}
        aria-keyshortcuts="Control+Enter"
        value={value}
        spellCheck={false}
        autoCapitalize="off"
        autoComplete="off"
        onChange={(event) => props.onChange(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            event.preventDefault()
            props.onRun()
          }
        }}
      />
    </div>
  )
}

function Coloured({ token, mark }: { token: Token; mark: [number, number] | null }) {
  if (token.kind === 'space') return token.text
  const marked = mark !== null && token.at < mark[1] && token.at + token.text.length > mark[0]
  return <span className={marked ? `t-${token.kind} mark-error` : `t-${token.kind}`}>{token.text}</span>
}
