//! Notes in views and invitations to them have one spelling each, and nothing that is no note is read as one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rhizome_pod::ShareInvite;
use rhizome_view::Note;

fuzz_target!(|data: &[u8]| {
    if let Some(note) = Note::from_bytes(data) {
        assert_eq!(note.to_bytes().expect("what was read can be written"), data);
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(invite) = text.parse::<ShareInvite>()
    {
        let again: ShareInvite = invite
            .to_string()
            .parse()
            .expect("what was written can be read");
        assert_eq!(again.view, invite.view);
        assert_eq!(again.seed.expose(), invite.seed.expose());
    }
});
