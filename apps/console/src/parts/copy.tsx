import { useEffect, useState } from 'react'
import { Icon } from './icon'

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), 1_500)
    return () => clearTimeout(timer)
  }, [copied])
  const copy = () => {
    void navigator.clipboard.writeText(text).then(() => setCopied(true))
  }
  return (
    <button type="button" className="icon-button small" aria-label={copied ? 'Copied' : label} title={label} onClick={copy}>
      <Icon name={copied ? 'check' : 'copy'} size={14} />
    </button>
  )
}
