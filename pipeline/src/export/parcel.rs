//! The files of an export on their way: one stream of bytes that says itself whether it is whole.
//!
//! Magic; for each file a frame (1, length of the path and path, length and bytes); at the end one frame
//! (2, files, rows). Numbers are little-endian, paths relative with `/`. Files come in order of their paths,
//! so equal folders are equal streams. Without the last frame the stream was cut off.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

/// Begins every stream; the number is that of the form.
const MAGIC: &[u8; 20] = b"smartpulse-export 1\n";
const FILE: u8 = 1;
const END: u8 = 2;
/// Longest path of a file: ours are under a hundred bytes, and a length that is none must not take memory.
const PATH_BYTES: u32 = 1_024;

/// Why a stream was not unpacked whole.
#[derive(Debug, Error)]
pub(crate) enum ParcelError {
    /// It ended before its last frame.
    #[error("the export was cut off before its end")]
    CutOff(#[source] io::Error),
    /// It is no stream of ours, or one that names files where none may be.
    #[error("this is no export: {0}")]
    Foreign(&'static str),
    /// A file could not be written.
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: io::Error },
}

/// Writes every file below `folder`, which has `rows` rows, to `out`.
///
/// # Errors
/// Of reading the files and of `out`.
pub(crate) fn pack(folder: &Path, rows: u64, out: &mut impl Write) -> io::Result<()> {
    out.write_all(MAGIC)?;
    let files = files_below(folder)?;
    for path in &files {
        let mut file = File::open(folder.join(path))?;
        let length = file.metadata()?.len();
        out.write_all(&[FILE])?;
        out.write_all(&(path.len() as u32).to_le_bytes())?;
        out.write_all(path.as_bytes())?;
        out.write_all(&length.to_le_bytes())?;
        if io::copy(&mut Read::by_ref(&mut file).take(length), out)? != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    out.write_all(&[END])?;
    out.write_all(&(files.len() as u64).to_le_bytes())?;
    out.write_all(&rows.to_le_bytes())?;
    out.flush()
}

/// Writes the files of a stream into the empty `folder`; the number of rows they have.
///
/// # Errors
/// [`ParcelError`]: what is in `folder` then is not whole.
pub(crate) fn unpack(stream: &mut impl Read, folder: &Path) -> Result<u64, ParcelError> {
    if read::<20>(stream)? != *MAGIC {
        return Err(ParcelError::Foreign("it does not begin as one"));
    }
    let mut files = 0;
    loop {
        match read::<1>(stream)? {
            [FILE] => {
                let path = read_path(stream)?;
                let length = u64::from_le_bytes(read(stream)?);
                write_file(stream, length, &folder.join(path))?;
                files += 1;
            }
            [END] => {
                let said = u64::from_le_bytes(read(stream)?);
                let rows = u64::from_le_bytes(read(stream)?);
                let is_whole = said == files;
                return is_whole.then_some(rows).ok_or(ParcelError::Foreign("files are missing"));
            }
            _ => return Err(ParcelError::Foreign("a frame of no known kind")),
        }
    }
}

/// The relative paths of all files below `folder`, sorted.
fn files_below(folder: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(folder).ok().and_then(Path::to_str);
            files.push(below.ok_or(io::ErrorKind::InvalidFilename)?.to_owned());
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// A path that stays below where it is unpacked, whoever sent it.
fn read_path(stream: &mut impl Read) -> Result<PathBuf, ParcelError> {
    let length = u32::from_le_bytes(read(stream)?);
    if length > PATH_BYTES {
        return Err(ParcelError::Foreign("a path that is too long"));
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).map_err(ParcelError::CutOff)?;
    let path = String::from_utf8(bytes).map(PathBuf::from).ok();
    let stays = |path: &PathBuf| {
        let mut components = path.components();
        !path.as_os_str().is_empty() && components.all(|part| matches!(part, Component::Normal(_)))
    };
    path.filter(stays).ok_or(ParcelError::Foreign("a path that leads elsewhere"))
}

fn write_file(stream: &mut impl Read, length: u64, path: &Path) -> Result<(), ParcelError> {
    let fault = |source| ParcelError::Write { path: path.to_owned(), source };
    path.parent().map_or(Ok(()), fs::create_dir_all).map_err(fault)?;
    let mut file = File::create_new(path).map_err(fault)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut left = length;
    while left > 0 {
        let wanted = usize::try_from(left).map_or(BUFFER_BYTES, |left| left.min(BUFFER_BYTES));
        let piece = &mut buffer[..wanted];
        stream.read_exact(piece).map_err(ParcelError::CutOff)?;
        file.write_all(piece).map_err(fault)?;
        left -= wanted as u64;
    }
    Ok(())
}

/// Bytes of a file taken at once.
const BUFFER_BYTES: usize = 64 << 10;

fn read<const BYTES: usize>(stream: &mut impl Read) -> Result<[u8; BYTES], ParcelError> {
    let mut bytes = [0; BYTES];
    stream.read_exact(&mut bytes).map_err(ParcelError::CutOff)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in [("kind=a/day=1/part-0", &b"one"[..]), ("kind=b/part-0", b"")] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let mut stream = Vec::new();
        pack(folder.path(), 7, &mut stream).unwrap();
        stream
    }

    fn unpacked(stream: &[u8]) -> Result<(u64, Vec<String>), ParcelError> {
        let folder = tempfile::tempdir().unwrap();
        let rows = unpack(&mut &*stream, folder.path())?;
        Ok((rows, files_below(folder.path()).unwrap()))
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let files = ["kind=a/day=1/part-0", "kind=b/part-0"].map(str::to_owned).to_vec();
        assert_eq!(unpacked(&packed()).unwrap(), (7, files));
    }

    #[test]
    fn a_stream_cut_anywhere_is_noticed() {
        let whole = packed();
        for bytes in 0..whole.len() {
            let problem = unpacked(&whole[..bytes]).unwrap_err();
            assert!(matches!(problem, ParcelError::CutOff(_)), "{bytes}: {problem}");
        }
    }

    #[test]
    fn a_stream_of_another_kind_is_refused() {
        let file = |path: &str| {
            let mut stream = MAGIC.to_vec();
            stream.push(FILE);
            stream.extend((path.len() as u32).to_le_bytes());
            stream.extend(path.as_bytes());
            stream.extend(0_u64.to_le_bytes());
            stream
        };
        let mut missing = packed();
        let files = missing.len() - 16;
        missing[files] += 1;
        let mut unknown = MAGIC.to_vec();
        unknown.push(3);
        let page = b"<html>nothing to see here</html>".to_vec();
        let outside = ["../x", "/etc/x", "", "a/../../x"].map(file);
        let long = file(&"x".repeat(2_000));
        for stream in [missing, unknown, page, long].into_iter().chain(outside) {
            let problem = unpacked(&stream).unwrap_err();
            assert!(matches!(problem, ParcelError::Foreign(_)), "{problem}");
        }
        let twice = [file("x"), file("x").split_off(MAGIC.len())].concat();
        assert!(matches!(unpacked(&twice), Err(ParcelError::Write { .. })));
    }
}
