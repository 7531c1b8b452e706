//! What a file is, by its first bytes.

/// Bytes that are looked at: enough for the headers of pictures with a large colour profile in front.
pub const HEAD: usize = 64 << 10;

/// Media type and, for pictures, width and height.
pub fn look(head: &[u8]) -> (Option<&'static str>, Option<(u32, u32)>) {
    let mime = infer::get(head).map(|kind| kind.mime_type());
    let size = imagesize::blob_size(head).ok();
    let size = size.and_then(|size| {
        Some((
            u32::try_from(size.width).ok()?,
            u32::try_from(size.height).ok()?,
        ))
    });
    (
        mime,
        size.filter(|_| mime.is_some_and(|mime| mime.starts_with("image/"))),
    )
}
