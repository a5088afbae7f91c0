//! Rows as `COPY … TO STDOUT` writes them: a line each, columns apart by tabs, `\N` for no value
//! (Postgres documentation, "COPY", text format).

use std::borrow::Cow;

/// Takes whole lines off what has arrived.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    read: usize,
}

impl Lines {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.held.drain(..self.read);
        self.read = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next whole line, without its end.
    pub(super) fn next_line(&mut self) -> Option<&[u8]> {
        let rest = &self.held[self.read..];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let from = self.read;
        self.read += end + 1;
        Some(&self.held[from..from + end])
    }
}

/// The values of a line.
///
/// # Errors
/// What is wrong with it.
pub(super) fn values(line: &[u8]) -> Result<Vec<Option<Cow<'_, str>>>, String> {
    line.split(|byte| *byte == b'\t').map(value).collect()
}

fn value(written: &[u8]) -> Result<Option<Cow<'_, str>>, String> {
    if written == b"\\N" {
        return Ok(None);
    }
    let not_text = || "text that is no UTF-8".to_owned();
    if !written.contains(&b'\\') {
        return Ok(Some(Cow::Borrowed(str::from_utf8(written).map_err(|_| not_text())?)));
    }
    let mut plain = Vec::with_capacity(written.len());
    let mut bytes = written.iter().copied();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next().ok_or("a value ends in an escape")? {
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                other => other,
            },
            other => other,
        });
    }
    String::from_utf8(plain).map(|text| Some(Cow::Owned(text))).map_err(|_| not_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_however_they_arrive() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in ["a\tb\n", "c", "\t\\N\nd\\", "\\\\t\\n\n"] {
            lines.add(piece.as_bytes());
            while let Some(line) = lines.next_line() {
                let values = values(line).unwrap();
                seen.push(
                    values
                        .iter()
                        .map(|value| value.as_deref().map(str::to_owned))
                        .collect::<Vec<_>>(),
                );
            }
        }
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            seen,
            [vec![text("a"), text("b")], vec![text("c"), None], vec![text("d\\\t\n")]]
        );
        assert!(values(b"a\\").is_err());
        assert!(values(b"\xff").is_err());
    }
}
