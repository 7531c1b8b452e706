import type { Audience } from '../../data/social'
import { Icon } from '../../parts/icon'

const WORDS: Record<Audience, { label: string; means: string }> = {
  public: { label: 'Public', means: 'Anyone could see this' },
  unlisted: { label: 'Unlisted', means: 'Anyone with the link could see this; it was kept out of public lists' },
  followers: { label: 'Followers', means: 'Only followers could see this' },
  direct: { label: 'Direct', means: 'Only the people mentioned could see this' },
}

/** Who could see a post where it was posted. All but public ones say so in words. */
export function AudienceBadge({ audience }: { audience: Audience }) {
  const { label, means } = WORDS[audience]
  return (
    <span className={`audience ${audience}`} title={means}>
      <Icon name={audience} size={14} />
      <span className={audience === 'public' ? 'visually-hidden' : undefined}>{label}</span>
    </span>
  )
}
