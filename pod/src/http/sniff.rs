//! What a blob is, by its first bytes. Imported files may claim anything: only kinds that cannot run scripts are shown in the page,
//! everything else is a download.

/// Bytes that are enough for [`kind`].
pub const HEAD: u64 = 64;

/// The content type of a picture, sound or film that browsers show; `None` for everything else, SVG and HTML included.
pub fn kind(head: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
    Some(match () {
        () if at(0, b"\x89PNG\r\n\x1a\n") => "image/png",
        () if at(0, b"\xff\xd8\xff") => "image/jpeg",
        () if at(0, b"GIF87a") || at(0, b"GIF89a") => "image/gif",
        () if at(0, b"RIFF") && at(8, b"WEBP") => "image/webp",
        () if at(0, b"RIFF") && at(8, b"WAVE") => "audio/wav",
        () if at(4, b"ftypavif") || at(4, b"ftypavis") => "image/avif",
        () if at(4, b"ftypheic") || at(4, b"ftypmif1") || at(4, b"ftypheix") => "image/heic",
        () if at(4, b"ftypM4A") => "audio/mp4",
        () if at(4, b"ftypqt") => "video/quicktime",
        () if at(4, b"ftyp") => "video/mp4",
        () if at(0, b"\x1a\x45\xdf\xa3") => "video/webm",
        () if at(0, b"OggS") => "audio/ogg",
        () if at(0, b"fLaC") => "audio/flac",
        () if at(0, b"ID3") || is_mpeg_audio(head) => "audio/mpeg",
        () if at(0, b"BM") && at(6, b"\0\0\0\0") => "image/bmp",
        () => return None,
    })
}

/// An MPEG frame header: eleven set bits, a valid layer, bit rate and sampling rate.
fn is_mpeg_audio(head: &[u8]) -> bool {
    matches!(head, [0xff, b, c, ..] if b & 0xe0 == 0xe0 && b & 0x06 != 0 && b & 0x18 != 0x08 && c & 0xf0 != 0xf0 && c & 0x0c != 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_pictures_and_films() {
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Some("image/png"));
        assert_eq!(kind(b"\xff\xd8\xff\xe0\0\x10JFIF"), Some("image/jpeg"));
        assert_eq!(kind(b"\0\0\0\x20ftypisom\0\0\x02\0"), Some("video/mp4"));
        assert_eq!(kind(b"RIFF\x24\0\0\0WEBPVP8 "), Some("image/webp"));
        assert_eq!(kind(b"\xff\xfb\x90\x64"), Some("audio/mpeg"));
    }

    #[test]
    fn never_calls_anything_with_scripts_by_its_name() {
        for bad in [
            &b"<!doctype html><script>alert(1)</script>"[..],
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            b"%PDF-1.7",
            b"",
            b"\xff",
            b"plain text",
        ] {
            assert_eq!(kind(bad), None);
        }
    }
}
