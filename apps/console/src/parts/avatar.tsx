import type { Profile } from '../data/social'
import { useBlobUrl } from '../data/status'

/** The avatar, or the first letter of the name on a colour of its own. Decorative: the name is always beside it. */
export function Avatar({ profile, size }: { profile: Profile | null; size: 'small' | 'large' }) {
  const src = useBlobUrl(profile?.avatar ?? null)
  if (src) return <img className={`avatar ${size}`} src={src} alt="" />
  const letter = [...(profile?.name ?? '').trim()].find((each) => /[\p{L}\p{N}]/u.test(each)) ?? '·'
  return (
    <span className={`avatar ${size} letter tone-${tone(profile?.id ?? '')}`} aria-hidden="true">
      {letter.toUpperCase()}
    </span>
  )
}

function tone(id: string): number {
  let sum = 0
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0
  return sum % 6
}
