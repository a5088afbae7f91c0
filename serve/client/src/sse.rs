//! Server-sent events: bytes in, events out, whatever the bytes are cut into.
//!
//! The format is that of the HTML standard ("event stream"), with two differences: a line or an event over
//! the bound is refused, and so is one that is no UTF-8, because data that was mended is no data. An event
//! is whole at its blank line; what stands after the last one is none.

use std::time::Duration;

/// Bytes of a buffer that are kept between events; a larger one is given back.
const KEPT_BYTES: usize = 1_024;

/// What a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// An event.
    Event(Event),
    /// `retry:` how long to wait before the next connection.
    Retry(Duration),
}

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its name; empty where none was given.
    pub name: String,
    /// Its data, the lines joined by line feeds.
    pub data: String,
    /// The id it carries itself; those of events before it are not repeated.
    pub id: Option<String>,
}

/// Why bytes are no stream of events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseFault {
    /// A line or an event is longer than is taken.
    #[error("an event is over the bound of {bound} bytes")]
    TooLong {
        /// The bound.
        bound: usize,
    },
    /// A line is no UTF-8.
    #[error("a line is no UTF-8")]
    NotUtf8,
}

/// Reads a stream of events.
#[derive(Debug)]
pub struct Parser {
    /// Bytes of the line that has not ended.
    line: Vec<u8>,
    /// Whether the last line ended with a carriage return: a line feed that follows is part of its end.
    after_return: bool,
    /// Whether nothing but the first line has come: it may begin with a byte order mark.
    is_first: bool,
    event: Event,
    has_data: bool,
    bound: usize,
}

impl Parser {
    /// A parser that takes lines and events of up to `bound` bytes.
    pub fn new(bound: usize) -> Parser {
        Parser {
            line: Vec::new(),
            after_return: false,
            is_first: true,
            event: Event::default(),
            has_data: false,
            bound,
        }
    }

    /// Takes the next bytes and appends what they complete to `parsed`. After a fault the stream has to be
    /// opened anew.
    pub fn push(&mut self, mut bytes: &[u8], parsed: &mut Vec<Parsed>) -> Result<(), SseFault> {
        if let Some((&first, rest)) = bytes.split_first()
            && std::mem::take(&mut self.after_return)
            && first == b'\n'
        {
            bytes = rest;
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.lengthen(&bytes[..end])?;
            let is_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if is_return {
                match bytes.split_first() {
                    Some((b'\n', rest)) => bytes = rest,
                    Some(_) => {}
                    None => self.after_return = true,
                }
            }
            self.end_line(parsed)?;
        }
        self.lengthen(bytes)
    }

    fn lengthen(&mut self, bytes: &[u8]) -> Result<(), SseFault> {
        if self.line.len() + bytes.len() > self.bound {
            return Err(SseFault::TooLong { bound: self.bound });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, parsed: &mut Vec<Parsed>) -> Result<(), SseFault> {
        let mut line = std::mem::take(&mut self.line);
        let taken = self.take_line(&line, parsed);
        line.clear();
        line.shrink_to(KEPT_BYTES);
        self.line = line;
        taken
    }

    fn take_line(&mut self, line: &[u8], parsed: &mut Vec<Parsed>) -> Result<(), SseFault> {
        let mut line = std::str::from_utf8(line).map_err(|_| SseFault::NotUtf8)?;
        if std::mem::take(&mut self.is_first) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            // Without data it is none, whatever else was said.
            if std::mem::take(&mut self.has_data) {
                parsed.push(Parsed::Event(event));
            }
            return Ok(());
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => self.add_data(value)?,
            "event" => value.clone_into(&mut self.event.name),
            // A null character would end it on its way back in a header.
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                parsed.extend(value.parse().ok().map(Duration::from_millis).map(Parsed::Retry));
            }
            // A comment, whose name is empty, or a field of later days.
            _ => {}
        }
        Ok(())
    }

    fn add_data(&mut self, value: &str) -> Result<(), SseFault> {
        let data = &mut self.event.data;
        if std::mem::replace(&mut self.has_data, true) {
            data.push('\n');
        }
        if data.len() + value.len() > self.bound {
            return Err(SseFault::TooLong { bound: self.bound });
        }
        data.push_str(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(parts: &[&[u8]]) -> Vec<Parsed> {
        let (mut parser, mut parsed) = (Parser::new(1_000), Vec::new());
        parts.iter().for_each(|part| parser.push(part, &mut parsed).unwrap());
        parsed
    }

    fn event(name: &str, data: &str, id: Option<&str>) -> Parsed {
        let id = id.map(str::to_owned);
        Parsed::Event(Event { name: name.to_owned(), data: data.to_owned(), id })
    }

    const STREAM: &str = "retry: 1000\n\n: hello\nevent: delta\ndata: {\"a\":1,\ndata:  \"b\":\"Gün\"}\nid: x.7\n\nevent:progress\ndata:{}\n\ndata\n\nid: x.8\ndata: ölçü 🌬\n\n";

    fn expected() -> Vec<Parsed> {
        vec![
            Parsed::Retry(Duration::from_secs(1)),
            event("delta", "{\"a\":1,\n \"b\":\"Gün\"}", Some("x.7")),
            event("progress", "{}", None),
            event("", "", None),
            event("", "ölçü 🌬", Some("x.8")),
        ]
    }

    #[test]
    fn every_cut_and_every_line_end_gives_the_same_events() {
        for end in ["\n", "\r\n", "\r"] {
            let stream = STREAM.replace('\n', end);
            let bytes = stream.as_bytes();
            assert_eq!(parse(&[bytes]), expected(), "{end:?}");
            for cut in 0..=bytes.len() {
                let (left, right) = bytes.split_at(cut);
                assert_eq!(parse(&[left, b"", right]), expected(), "{end:?} cut at {cut}");
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(parse(&single), expected(), "{end:?} byte by byte");
        }
    }

    #[test]
    fn line_ends_may_be_mixed() {
        assert_eq!(
            parse(&[b"data: a\rdata: b\r\n\ndata: c\n\r"]),
            [event("", "a\nb", None), event("", "c", None)]
        );
        // A return and a feed in two parts end one line, not two.
        assert_eq!(
            parse(&[b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n"]),
            [event("", "a\nb", None)]
        );
    }

    #[test]
    fn what_has_no_blank_line_is_no_event() {
        assert_eq!(parse(&[b"data: a\n\ndata: b\nid: 7\n"]), [event("", "a", None)]);
        assert_eq!(parse(&[b"data: a\n\ndata: b"]), [event("", "a", None)]);
        assert_eq!(parse(&[b"event: x\nid: 5\n\ndata: a\n\n"]), [event("", "a", None)]);
    }

    #[test]
    fn comments_unknown_fields_and_bad_values_say_nothing() {
        let stream =
            b":\n: data: x\nfield: x\nretry: soon\nretry: -1\ndata2: x\ndata: a\nid: b\0c\n\n";
        assert_eq!(parse(&[stream]), [event("", "a", None)]);
        assert_eq!(
            parse(&["\u{feff}data: a\n\n\u{feff}data: b\n\n".as_bytes()]),
            [event("", "a", None)]
        );
        assert_eq!(parse(&[b"id: 1\nid\ndata: a\n\n"]), [event("", "a", Some(""))]);
    }

    #[test]
    fn too_much_is_refused_before_it_is_held() {
        let fault = Err(SseFault::TooLong { bound: 10 });
        let push = |parts: &[&str]| {
            let (mut parser, mut parsed) = (Parser::new(10), Vec::new());
            parts.iter().try_for_each(|part| parser.push(part.as_bytes(), &mut parsed))
        };
        assert_eq!(push(&["data: 1234"]), Ok(()));
        assert_eq!(push(&["data: 12345"]), fault);
        assert_eq!(push(&["data: ", "12345"]), fault);
        assert_eq!(push(&["data:12345\ndata:6789\n"]), Ok(()));
        assert_eq!(push(&["data:12345\ndata:67890\n"]), fault);
        assert_eq!(push(&["data:123\n\n", "data:1234\n\n", "data:123\n\n"]), Ok(()));
    }

    #[test]
    fn what_is_no_utf8_is_refused() {
        let mut parser = Parser::new(100);
        assert_eq!(parser.push(b"data: \xff\n", &mut Vec::new()), Err(SseFault::NotUtf8));
    }

    #[test]
    fn a_large_event_leaves_no_large_buffer() {
        let mut parser = Parser::new(1 << 20);
        let mut parsed = Vec::new();
        let large = format!("data: {}\n\n", "x".repeat(500_000));
        parser.push(large.as_bytes(), &mut parsed).unwrap();
        assert_eq!(parsed.len(), 1);
        assert!(parser.line.capacity() <= 2 * KEPT_BYTES);
    }
}
