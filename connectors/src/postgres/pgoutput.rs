//! The messages of Postgres' output plugin `pgoutput`, version 1, values as text
//! (Postgres documentation, "Logical Replication Message Formats").

use super::mapping::TableName;

/// A message of the log. Transactions' beginnings and ends come from the transport.
#[derive(Clone, Debug, PartialEq)]
pub enum LogMessage<'m> {
    /// What a table looks like from here on.
    Relation(Relation),
    /// A row was added.
    Insert {
        /// The table's number.
        relation: u32,
        /// The row.
        new: Tuple<'m>,
    },
    /// A row was changed; `old` where its key was, or where all of it is told.
    Update {
        /// The table's number.
        relation: u32,
        /// What it was: its key or all of it.
        old: Option<Tuple<'m>>,
        /// What it is.
        new: Tuple<'m>,
    },
    /// A row was removed.
    Delete {
        /// The table's number.
        relation: u32,
        /// What it was: its key or all of it.
        old: Tuple<'m>,
    },
    /// Tables were emptied.
    Truncate {
        /// Their numbers.
        relations: Vec<u32>,
    },
    /// A type, an origin: nothing that matters here.
    Other,
}

/// A table as the log describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its number in the log.
    pub id: u32,
    /// Its name.
    pub table: TableName,
    /// By what a row is named that changes: `d` its primary key, `i` an index, `f` all of it, `n` nothing.
    pub identity: u8,
    /// Its columns, and whether each belongs to that.
    pub columns: Vec<(String, bool)>,
}

/// One value of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datum<'m> {
    /// No value.
    Null,
    /// As it was before: too long to be repeated.
    Unchanged,
    /// Its text.
    Text(&'m str),
}

/// The values of a row, by column.
pub type Tuple<'m> = Vec<Datum<'m>>;

/// Reads a message.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<LogMessage<'_>, String> {
    let mut rest = Rest(bytes);
    let message = match rest.byte()? {
        b'R' => LogMessage::Relation(rest.relation()?),
        b'I' => {
            let relation = rest.number()?;
            rest.marked(b'N')?;
            LogMessage::Insert { relation, new: rest.tuple()? }
        }
        b'U' => {
            let relation = rest.number()?;
            let old = match rest.byte()? {
                b'K' | b'O' => {
                    let old = rest.tuple()?;
                    rest.marked(b'N')?;
                    Some(old)
                }
                b'N' => None,
                other => return Err(format!("an update holds a {:?}", char::from(other))),
            };
            LogMessage::Update { relation, old, new: rest.tuple()? }
        }
        b'D' => {
            let relation = rest.number()?;
            match rest.byte()? {
                b'K' | b'O' => LogMessage::Delete { relation, old: rest.tuple()? },
                other => return Err(format!("a delete holds a {:?}", char::from(other))),
            }
        }
        b'T' => {
            let count = rest.number()?;
            rest.byte()?;
            let relations = (0..count).map(|_| rest.number()).collect::<Result<_, _>>()?;
            LogMessage::Truncate { relations }
        }
        b'Y' | b'O' => return Ok(LogMessage::Other),
        other => return Err(format!("a message of kind {:?}", char::from(other))),
    };
    if rest.0.is_empty() { Ok(message) } else { Err("a message is too long".to_owned()) }
}

struct Rest<'m>(&'m [u8]);

impl<'m> Rest<'m> {
    fn take(&mut self, length: usize) -> Result<&'m [u8], String> {
        let taken = self.0.split_at_checked(length);
        let (taken, rest) = taken.ok_or_else(|| "a message is cut off".to_owned())?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn marked(&mut self, expected: u8) -> Result<(), String> {
        let found = self.byte()?;
        let problem =
            || format!("{:?} where {:?} should be", char::from(found), char::from(expected));
        if found == expected { Ok(()) } else { Err(problem()) }
    }

    fn number(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn short(&mut self) -> Result<u16, String> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn name(&mut self) -> Result<&'m str, String> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let name = self.take(end.ok_or_else(|| "a name without end".to_owned())?)?;
        self.byte()?;
        text(name)
    }

    fn relation(&mut self) -> Result<Relation, String> {
        let id = self.number()?;
        let schema = match self.name()? {
            "" => "pg_catalog",
            schema => schema,
        };
        let table = TableName { schema: schema.to_owned(), table: self.name()?.to_owned() };
        let identity = self.byte()?;
        let count = self.short()?;
        let column = |_| {
            let is_key = self.byte()? & 1 != 0;
            let name = self.name()?.to_owned();
            // Type and its modifier: values are text here.
            self.take(8)?;
            Ok((name, is_key))
        };
        let columns = (0..count).map(column).collect::<Result<Vec<_>, String>>()?;
        Ok(Relation { id, table, identity, columns })
    }

    fn tuple(&mut self) -> Result<Tuple<'m>, String> {
        let count = self.short()?;
        let mut tuple = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            tuple.push(match self.byte()? {
                b'n' => Datum::Null,
                b'u' => Datum::Unchanged,
                b't' => {
                    let length = self.number()?;
                    Datum::Text(text(self.take(length as usize)?)?)
                }
                other => return Err(format!("a value of kind {:?}", char::from(other))),
            });
        }
        Ok(tuple)
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    str::from_utf8(bytes).map_err(|_| "text that is no UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation() -> Vec<u8> {
        let mut bytes = b"R\0\0\0\x07public\0plants\0d\0\x02".to_vec();
        bytes.extend_from_slice(b"\x01id\0\0\0\0\x17\xff\xff\xff\xff");
        bytes.extend_from_slice(b"\0name\0\0\0\0\x19\xff\xff\xff\xff");
        bytes
    }

    #[test]
    fn messages_are_read_as_documented() {
        let table = TableName::parse("plants").unwrap();
        let columns = vec![("id".to_owned(), true), ("name".to_owned(), false)];
        let expected = Relation { id: 7, table, identity: b'd', columns };
        assert_eq!(read(&relation()), Ok(LogMessage::Relation(expected)));
        let new = vec![Datum::Text("1"), Datum::Unchanged];
        let update = b"U\0\0\0\x07K\0\x02t\0\0\0\x012nN\0\x02t\0\0\0\x011u";
        let old = Some(vec![Datum::Text("2"), Datum::Null]);
        assert_eq!(read(update), Ok(LogMessage::Update { relation: 7, old, new }));
        let insert = b"I\0\0\0\x07N\0\x02t\0\0\0\x02\xc3\xa9n";
        let new = vec![Datum::Text("é"), Datum::Null];
        assert_eq!(read(insert), Ok(LogMessage::Insert { relation: 7, new }));
        let delete = b"D\0\0\0\x07O\0\x01t\0\0\0\0";
        assert_eq!(
            read(delete),
            Ok(LogMessage::Delete { relation: 7, old: vec![Datum::Text("")] })
        );
        let truncate = b"T\0\0\0\x02\x01\0\0\0\x07\0\0\0\x08";
        assert_eq!(read(truncate), Ok(LogMessage::Truncate { relations: vec![7, 8] }));
        assert_eq!(read(b"Y\0\0\0\x01a\0b\0"), Ok(LogMessage::Other));
    }

    #[test]
    fn no_message_that_is_cut_off_or_garbled_is_read_or_panics() {
        for whole in [relation(), b"U\0\0\0\x07N\0\x02t\0\0\0\x011u".to_vec()] {
            for length in 0..whole.len() {
                assert!(read(&whole[..length]).is_err(), "{length}");
            }
            for (at, byte) in (0..whole.len()).flat_map(|at| (0..=255).map(move |byte| (at, byte)))
            {
                let mut garbled = whole.clone();
                garbled[at] = byte;
                let _ = read(&garbled);
            }
        }
        assert!(read(b"I\0\0\0\x07N\0\x01t\0\0\0\x01\xff").is_err());
    }
}
