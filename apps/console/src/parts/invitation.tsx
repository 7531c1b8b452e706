import { Link } from '../router'
import { CopyButton } from './copy'
import { Icon } from './icon'
import { QrCode } from './qr'

/** Beyond this a picture is too fine for a camera. */
const MAX_PICTURE = 1_200

/** An invitation to hand over, as a picture and as text; and whether it works yet. */
export function InvitationText({ invite, sent }: { invite: string; sent: boolean }) {
  return (
    <>
      {!sent && (
        <div className="note" role="alert">
          <Icon name="warning" />
          <div>
            <p>It is not yet where they can get it.</p>
            <p className="quiet">
              The <Link to="/devices">peers</Link> that keep your pod do not answer. It goes there by itself once one does; from then on the invitation works.
            </p>
          </div>
        </div>
      )}
      {/* In capitals the picture is smaller, and the invitation is the same. */}
      {invite.length <= MAX_PICTURE && <QrCode text={invite.toUpperCase()} label="The invitation as a QR code" />}
      <div className="copyable">
        <code translate="no" tabIndex={0}>{invite}</code>
        <CopyButton text={invite} label="Copy the invitation" />
      </div>
    </>
  )
}
