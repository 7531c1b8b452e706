//! Small pictures of large ones, made when they are first asked for and kept as long as there is room. They can be deleted at any time.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, codecs::jpeg::JpegEncoder,
};
use rhizome_blob::Cid;

use crate::{
    Pod, PodError,
    home::{make_private, replace_file},
};

/// Widths and heights into which a picture is made to fit. Few, so that few are kept.
pub(crate) const SIZES: [u32; 3] = [320, 640, 1_280];
/// Pixels to a side of a picture that is opened.
const MAX_SIDE: u32 = 30_000;
/// Bytes that opening one may take.
const MAX_ALLOC: u64 = 512 << 20;
/// Bytes of a file that is read for it.
const MAX_FILE: u64 = 128 << 20;
/// Of a hundred.
const QUALITY: u8 = 82;
/// Bytes that are kept.
const ROOM: u64 = 256 << 20;
/// Bytes made after which it is looked how many there are.
const LOOK: u64 = 16 << 20;

/// Where they are.
pub(crate) struct Thumbnails {
    directory: PathBuf,
    made: AtomicU64,
}

impl Thumbnails {
    pub fn of(pod: &Pod) -> Self {
        Self {
            directory: pod.home().directory().join("thumbnails"),
            // the first one looks
            made: AtomicU64::new(LOOK),
        }
    }

    /// A picture that fits into `size` by `size`; `None` if the file is no picture that can be made smaller, or is as small already.
    ///
    /// # Errors
    /// Those of reading the file; that one could not be kept is none.
    pub fn get(&self, pod: &Pod, cid: &Cid, size: u32) -> Result<Option<Vec<u8>>, PodError> {
        let at = self.directory.join(format!("{cid}-{size}"));
        if let Ok(bytes) = fs::read(&at) {
            return Ok((!bytes.is_empty()).then_some(bytes));
        }
        let blob = pod.blobs().open(cid)?;
        if blob.len() > MAX_FILE {
            return Ok(None);
        }
        let made = make(&blob.read_range(0, blob.len())?, size).unwrap_or_default();
        if let Err(error) = self.keep(&at, &made) {
            tracing::debug!(%error, "a thumbnail could not be kept");
        }
        Ok((!made.is_empty()).then_some(made))
    }

    fn keep(&self, at: &Path, bytes: &[u8]) -> Result<(), PodError> {
        make_private(&self.directory)?;
        replace_file(at, bytes)?;
        let made = self.made.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if made + bytes.len() as u64 >= LOOK {
            self.made.store(0, Ordering::Relaxed);
            self.sweep()
                .map_err(|error| PodError::file(&self.directory, error))?;
        }
        Ok(())
    }

    /// Removes the oldest while there are too many.
    fn sweep(&self) -> io::Result<()> {
        let mut all: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let about = entry.metadata()?;
            let at = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            all.push((at, about.len(), entry.path()));
        }
        let mut bytes: u64 = all.iter().map(|(_, len, _)| len).sum();
        all.sort_unstable();
        for (_, len, path) in all {
            if bytes <= ROOM {
                break;
            }
            fs::remove_file(path)?;
            bytes -= len;
        }
        Ok(())
    }
}

/// Hostile pictures are refused by their sides and by what opening them would take, before it is.
fn make(file: &[u8], size: u32) -> Option<Vec<u8>> {
    let mut reader = ImageReader::new(io::Cursor::new(file))
        .with_guessed_format()
        .ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    if width.max(height) <= size {
        return None;
    }
    decoder.set_limits(limits).ok()?;
    let orientation = decoder.orientation().ok();
    let picture = DynamicImage::from_decoder(decoder).ok()?;
    let mut small = picture.thumbnail(size, size);
    if let Some(orientation) = orientation {
        small.apply_orientation(orientation);
    }
    let mut out = Vec::new();
    if small.color().has_alpha() {
        small
            .write_to(&mut io::Cursor::new(&mut out), ImageFormat::Png)
            .ok()?;
    } else {
        let encoder = JpegEncoder::new_with_quality(&mut out, QUALITY);
        small.to_rgb8().write_with_encoder(encoder).ok()?;
    }
    // one that is no smaller is of no use
    (out.len() < file.len()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let picture =
            RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, (x ^ y) as u8]));
        let mut out = Vec::new();
        picture
            .write_with_encoder(JpegEncoder::new(&mut out))
            .unwrap();
        out
    }

    #[test]
    fn a_picture_fits_and_keeps_its_shape() {
        let small = make(&jpeg(1_600, 800), 320).unwrap();
        let small = image::load_from_memory(&small).unwrap();
        assert_eq!((small.width(), small.height()), (320, 160));
        assert_eq!(make(&jpeg(320, 100), 320), None, "it is small already");
    }

    #[test]
    fn what_is_transparent_stays_so() {
        let picture = RgbaImage::from_fn(900, 900, |x, y| {
            Rgba([x as u8, (x * y) as u8, y as u8, (x + y) as u8])
        });
        let mut png = Vec::new();
        picture
            .write_to(&mut io::Cursor::new(&mut png), ImageFormat::Png)
            .unwrap();
        let small = image::load_from_memory(&make(&png, 320).unwrap()).unwrap();
        assert!(small.color().has_alpha());
    }

    #[test]
    fn what_is_no_picture_or_a_damaged_one_makes_none() {
        let good = jpeg(1_600, 800);
        assert_eq!(make(b"", 320), None);
        assert_eq!(
            make(b"<svg xmlns='http://www.w3.org/2000/svg'/>", 320),
            None
        );
        for n in 0..200 {
            let mut bad = good.clone();
            let at = n * bad.len() / 200;
            bad[at] ^= 0x55;
            bad.truncate(bad.len() - n);
            let _ = make(&bad, 320);
        }
        // a PNG that says it is four thousand million pixels wide
        let mut huge =
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff\x08\x02\0\0\0".to_vec();
        huge.extend([0; 64]);
        assert_eq!(make(&huge, 320), None);
    }
}
