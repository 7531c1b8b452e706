//! Which value sizes waste no space.

/// Bytes of a storage page. Engines allocate `PAGE << n` bytes for a value that does not share a page.
pub const PAGE: usize = 4096;

/// What an engine keeps beside one key and one value in a page of their own.
const ENTRY_OVERHEAD: usize = 12;

/// The longest value that, under a key of `key_len` bytes, fits into `PAGE << doublings` bytes.
///
/// redb rounds what does not share a page up to a power of two of its page, so a value of one byte
/// more takes twice the space. For keys of up to 52 bytes, values of 4032, 8128, 16320, 32704 and
/// 65472 bytes always fit.
///
/// ```
/// assert_eq!(rhizome_storage::fitting_value_len(12, 4), 65_512);
/// ```
pub const fn fitting_value_len(key_len: usize, doublings: u32) -> usize {
    (PAGE << doublings).saturating_sub(ENTRY_OVERHEAD + key_len)
}
