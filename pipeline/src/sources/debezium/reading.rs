//! Rows that are read as they are: gathered to pieces, handed on, and compared with what was stored before.

use std::collections::BTreeMap;

use smartpulse_connectors::{Envelope, PostgresFault, SnapshotMark};
use smartpulse_operators::offset::{PostgresPlace, PulsarPlace};
use smartpulse_operators::time::Instant;
use tracing::info;

use super::super::tables::kept::{Followed, Keeper};
use super::follower::{Follower, Passed};
use super::ledger::Of;
use super::pieces::{Compared, Piece, Pieces};
use super::rows::Saying;
use super::taking::{take, take_kept};

/// Of the rows that are held in memory at most, the part after which a piece is handed on.
const PART: usize = 20;

/// How far the clocks of Debezium and the database may be apart, in microseconds.
const CLOCKS_APART: i64 = 10_000_000;

impl Follower {
    /// Takes a row that was read as it is.
    pub(super) fn read_as_it_is(
        &mut self,
        row: &Envelope,
        key: Option<&str>,
        (partition, place): (usize, PulsarPlace),
    ) -> Result<Of, PostgresFault> {
        let before = self.pieces.lsn;
        if !self.pieces.begin(row, self.intake.place, self.assembly.taken_in) {
            return Ok(Of::Nothing);
        }
        if self.pieces.lsn != before {
            let compared = self.pieces.compared.is_some();
            info!(source = %self.intake.source, lsn = row.lsn, compared, "tables are read as they are");
        }
        if row.snapshot != SnapshotMark::Incremental && row.lsn > self.compared_up_to {
            self.compared_up_to = row.lsn;
            // Whichever row comes first was written after it was read.
            let until = row.written.0.saturating_add(CLOCKS_APART);
            self.compared_until = self.compared_until.max(Instant(until));
        }
        let said = self.said(row, key)?;
        if let Some(compared) = &mut self.pieces.compared {
            compare(&mut self.intake.reader, &self.intake.keeper, &said, compared);
        }
        let piece = &mut self.pieces.piece;
        piece.rows += 1;
        piece.places.insert(partition, place);
        self.pieces.places.insert(partition, place);
        let piece = &mut self.pieces.piece;
        take(&mut self.intake, said, piece.rows, &mut piece.open, &mut piece.kept)?;
        Ok(Of::Piece(self.pieces.number))
    }

    /// Hands a piece on that has grown.
    pub(super) async fn pass_pieces_on(&mut self) -> Passed {
        let most = (self.intake.rows_at_most / PART).max(1) as u64;
        if self.pieces.piece.rows >= most { self.pass_piece_on().await } else { Ok(()) }
    }

    /// Hands on what has come, where nothing else has come in the meantime.
    pub(super) async fn pass_pieces_on_if_idle(&mut self) -> Passed {
        if self.pieces.piece.rows > 0 {
            self.pass_piece_on().await?;
        }
        if self.pieces.is_open && self.pieces.is_last_seen {
            self.are_pieces_in().await?;
        }
        Ok(())
    }

    async fn pass_piece_on(&mut self) -> Passed {
        let Piece { open, kept, places, .. } = std::mem::take(&mut self.pieces.piece);
        let number = self.pieces.number;
        self.pieces.number += 1;
        let may_settle = self.pieces.may_settle();
        let places = if may_settle { places } else { BTreeMap::new() };
        let (place, mut beside) = (self.reading_place(), self.beside(&places));
        beside.push(self.until_offset());
        let take_kept = |keeper: &mut Keeper, into: &mut Followed| take_kept(&kept, keeper, into);
        self.intake.commit_read(open, (place, beside), take_kept).await?;
        if may_settle {
            self.pieces.settled = number;
            self.taken_in(&places);
        }
        Ok(())
    }

    /// Where the database has been taken in while its tables are read. Where that is compared, it stays where it was:
    /// after a start all of it comes again, and is compared again.
    fn reading_place(&self) -> PostgresPlace {
        match self.intake.place {
            Some(known) if !known.is_reading || self.pieces.compared.is_some() => known,
            _ => self.place(self.pieces.lsn, true),
        }
    }

    /// Whether all rows are in that were read as they are: nothing that came before now is missing. If not, it is asked.
    pub(super) async fn are_pieces_in(&mut self) -> Result<bool, PostgresFault> {
        if self.pieces.piece.rows > 0 {
            self.pass_piece_on().await?;
        }
        if !self.pieces.is_open {
            return Ok(true);
        }
        let look = match self.pieces.look {
            Some(look) => look,
            None => {
                let look = self.look();
                self.pieces.look = Some(look);
                look
            }
        };
        if !self.is_all_read(look) {
            self.allow();
            return Ok(false);
        }
        if let Some(compared) = self.pieces.compared.take() {
            self.take_back_unseen(&compared).await?;
        }
        if self.pieces.lsn > 0 {
            let known = self.intake.place.filter(|place| !place.is_reading);
            let lsn = known.map_or(0, |place| place.lsn).max(self.pieces.lsn);
            let places = std::mem::take(&mut self.pieces.places);
            let mut beside = self.beside(&places);
            beside.push(self.until_offset());
            self.intake.remember_read((self.place(lsn, false), beside)).await?;
            self.taken_in(&places);
            info!(source = %self.intake.source, lsn, "the tables have been read");
        }
        let Pieces { is_open, is_filling, is_last_seen, .. } = &mut self.pieces;
        (*is_open, *is_filling, *is_last_seen) = (false, false, false);
        self.pieces.settled = self.pieces.number - 1;
        self.cleared = self.assembly.first_began().or(self.cleared);
        Ok(true)
    }

    /// Takes back what was stored before and has not come again.
    async fn take_back_unseen(&mut self, compared: &Compared) -> Passed {
        let place = self.reading_place();
        self.intake
            .take_back_unseen(
                |table, key| compared.keys.get(table).is_some_and(|keys| keys.contains(key)),
                |header, slot| compared.holds(header, slot),
                place,
            )
            .await
    }
}

/// Notes that a row has come.
fn compare(
    reader: &mut super::super::tables::values::ValueReader,
    keeper: &Keeper,
    said: &Saying,
    compared: &mut Compared,
) {
    let Saying::Row(learned, _, Some(new)) = said else { return };
    let row = new.tuple();
    for layout in &learned.layouts {
        if let Ok((header, _, slot)) = reader.read(layout, row.as_slice(), false) {
            compared.add_value(&header, &slot);
        }
    }
    if learned.is_kept {
        compared.add_key(&learned.table, keeper.named(&learned.key, &learned.columns, &row));
    }
}
