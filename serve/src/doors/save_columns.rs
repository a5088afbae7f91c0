//! The body of a save as columns (Arrow IPC, a stream or a file): a row a value, in names of the long format.

use std::io::Cursor;
use std::panic::{self, AssertUnwindSafe};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smartpulse_operators::time::Instant;

use super::refusal::Refusal;
use super::save_body::{EntryBody, PredictionBody, SaveBody, Text};

/// What a file begins with; a stream does not.
const FILE_MAGIC: &[u8] = b"ARROW1";

/// The rows of a save, one piece for each record batch.
pub(crate) struct Columns(Vec<Piece>);

struct Piece {
    unit_type: Option<StringArray>,
    unit_no: Option<Int64Array>,
    period: Int64Array,
    start: TimestampMicrosecondArray,
    value: StringArray,
}

impl Columns {
    /// Reads a body of at most `bound` rows.
    pub(crate) fn read(body: &[u8], bound: usize) -> Result<Columns, Refusal> {
        // The reader checks what it reads, but is no place to find out with other people's messages.
        let read = panic::catch_unwind(AssertUnwindSafe(|| batches(body, bound)));
        let batches = read.unwrap_or_else(|_| Err(unreadable("it is no whole Arrow IPC")))?;
        batches.iter().map(piece).collect::<Result<_, _>>().map(Columns)
    }

    /// The body: an entry for each unit and period, in the order of their first rows.
    pub(crate) fn body(&self) -> Result<SaveBody<'_>, Refusal> {
        let mut entries: Vec<EntryBody<'_>> = Vec::new();
        let mut places: HashMap<(&str, Option<i64>, i64), usize, FixedState> = HashMap::default();
        let mut row = 0;
        for piece in &self.0 {
            for index in 0..piece.value.len() {
                let needed = |name: &str, is_there: bool| {
                    let rule = "must not be null";
                    if is_there {
                        Ok(())
                    } else {
                        Err(Refusal::field(format!("{name}[{row}]"), rule))
                    }
                };
                needed("period_minutes", piece.period.is_valid(index))?;
                needed("delivery_start", piece.start.is_valid(index))?;
                let unit_type = piece.unit_type.as_ref().filter(|types| types.is_valid(index));
                let unit_type = unit_type.map_or("", |types| types.value(index));
                let unit_no = piece.unit_no.as_ref().filter(|numbers| numbers.is_valid(index));
                let unit_no = unit_no.map(|numbers| numbers.value(index));
                let head = (unit_type, unit_no, piece.period.value(index));
                let place = *places.entry(head).or_insert_with(|| {
                    entries.push(entry(head));
                    entries.len() - 1
                });
                let prediction = PredictionBody {
                    at: Some(Instant(piece.start.value(index))),
                    value: Some(if piece.value.is_null(index) {
                        "null"
                    } else {
                        piece.value.value(index)
                    }),
                    ..PredictionBody::default()
                };
                if let Some(Some(predictions)) = &mut entries[place].predictions {
                    predictions.push(prediction);
                }
                row += 1;
            }
        }
        Ok(SaveBody { entries: Some(Some(entries)), ..SaveBody::default() })
    }
}

fn entry<'c>((unit_type, unit_no, period): (&'c str, Option<i64>, i64)) -> EntryBody<'c> {
    EntryBody {
        unit_type: (!unit_type.is_empty()).then(|| Some(Text(unit_type.into()))),
        unit_no: Some(unit_no),
        period: Some(period),
        predictions: Some(Some(Vec::new())),
        ..EntryBody::default()
    }
}

fn batches(body: &[u8], bound: usize) -> Result<Vec<RecordBatch>, Refusal> {
    let bytes = Cursor::new(body);
    let failed = |problem: ArrowError| unreadable(&problem.to_string());
    let read: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>> =
        if body.starts_with(FILE_MAGIC) {
            Box::new(FileReader::try_new(bytes, None).map_err(failed)?)
        } else {
            Box::new(StreamReader::try_new(bytes, None).map_err(failed)?)
        };
    let (mut batches, mut given) = (Vec::new(), 0);
    for batch in read {
        let batch = batch.map_err(failed)?;
        given += batch.num_rows();
        if given > bound {
            return Err(Refusal::TooManyValues { given, bound });
        }
        batches.push(batch);
    }
    Ok(batches)
}

fn piece(batch: &RecordBatch) -> Result<Piece, Refusal> {
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    let needed = |name: &'static str, to: &DataType| {
        column(batch, name, to)?.ok_or_else(|| Refusal::field(name, "is missing"))
    };
    let text = |array: ArrayRef| array.as_string::<i32>().clone();
    let whole = |array: ArrayRef| array.as_primitive::<Int64Type>().clone();
    Ok(Piece {
        unit_type: column(batch, "unit_type", &DataType::Utf8)?.map(text),
        unit_no: column(batch, "unit_no", &DataType::Int64)?.map(whole),
        period: whole(needed("period_minutes", &DataType::Int64)?),
        start: needed("delivery_start", &micros)?
            .as_primitive::<TimestampMicrosecondType>()
            .clone(),
        value: text(needed("value", &DataType::Utf8)?),
    })
}

/// A column by its name in any case, brought to a form without turning any cell into a null.
fn column(
    batch: &RecordBatch,
    name: &'static str,
    to: &DataType,
) -> Result<Option<ArrayRef>, Refusal> {
    let schema = batch.schema();
    let place = schema.fields().iter().position(|field| field.name().eq_ignore_ascii_case(name));
    let Some(place) = place else { return Ok(None) };
    let given = batch.column(place).data_type();
    // A number as an instant, or a fraction as a count, would be read as something that was not meant.
    let fits = match to {
        DataType::Int64 => given.is_integer(),
        DataType::Timestamp(..) => matches!(given, DataType::Timestamp(..)) || given.is_string(),
        _ => true,
    };
    if !fits {
        return Err(Refusal::field(name, format!("must not be of type {given}")));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let cast = cast_with_options(batch.column(place), to, &options);
    cast.map(Some).map_err(|problem| Refusal::field(name, format!("cannot be read: {problem}")))
}

fn unreadable(problem: &str) -> Refusal {
    Refusal::Unreadable { message: problem.to_owned(), line: 0, column: 0 }
}
