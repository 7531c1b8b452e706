import { useEntity } from '../../data/entities'
import { type Profile, readProfile } from '../../data/social'
import { useBlobUrl } from '../../data/status'
import { Avatar } from '../../parts/avatar'
import { Icon } from '../../parts/icon'
import { Text } from '../../parts/text'
import { entityPath, Link } from '../../router'

export function useProfile(id: string | null): Profile | null {
  const known = useEntity(id)
  return id && known?.state ? readProfile(id, known.state) : null
}

export function ProfileHeader(props: {
  id: string | null
  others: { id: string; count: number }[]
  chosen: string | null
  onChoose: (id: string | null) => void
}) {
  const profile = useProfile(props.id)
  const header = useBlobUrl(profile?.header ?? null)
  if (!profile) return <div className="profile waiting" />
  return (
    <header className="profile">
      {header ? <img className="banner" src={header} alt="" /> : <div className="banner plain" />}
      <div className="profile-body">
        <Avatar profile={profile} size="large" />
        <div className="profile-names">
          <h2>{profile.name}</h2>
          {profile.handle && <span className="handle">{profile.handle}</span>}
        </div>
        <div className="profile-links">
          {profile.url && (
            <a href={profile.url} target="_blank" rel="noopener noreferrer nofollow" className="quiet-button">
              <Icon name="open" size={15} /> Profile
            </a>
          )}
          <Link to={entityPath(profile.id)} className="quiet-button">
            <Icon name="data" size={15} /> Details
          </Link>
        </div>
        {profile.bio && (
          <p className="bio">
            <Text text={profile.bio} />
          </p>
        )}
        {profile.fields.length > 0 && (
          <dl className="profile-fields">
            {profile.fields.map((field, at) => (
              <Field key={at} field={field} />
            ))}
          </dl>
        )}
        {props.others.length > 0 && (
          <div className="people" role="group" aria-label="Whose posts">
            <button type="button" className="chip" aria-pressed={props.chosen === null} onClick={() => props.onChoose(null)}>
              Everyone
            </button>
            {[profile.id, ...props.others.map((each) => each.id)].slice(0, 8).map((id) => (
              <Person key={id} id={id} pressed={props.chosen === id} onChoose={props.onChoose} />
            ))}
          </div>
        )}
      </div>
    </header>
  )
}

function Field({ field }: { field: string }) {
  const [name, ...value] = field.split(': ')
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Text text={value.join(': ')} />
      </dd>
    </div>
  )
}

function Person({ id, pressed, onChoose }: { id: string; pressed: boolean; onChoose: (id: string) => void }) {
  const profile = useProfile(id)
  return (
    <button type="button" className="chip" aria-pressed={pressed} onClick={() => onChoose(id)}>
      <Avatar profile={profile} size="small" /> {profile?.name ?? '…'}
    </button>
  )
}
