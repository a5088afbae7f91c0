//! Rows that are read as they are: gathered to pieces, handed on, and compared with what was stored before.

use smartpulse_connectors::{Envelope, PostgresFault, SnapshotMark};
use smartpulse_operators::offset::{PostgresPlace, PulsarPlace};
use tracing::info;

use super::super::tables::kept::{Followed, Keeper};
use super::follower::{Follower, Passed, take, take_kept};
use super::ledger::Of;
use super::pieces::{Compared, Piece};
use super::rows::Saying;

/// Of the rows that are held in memory at most, the part after which a piece is handed on.
const PART: usize = 20;

impl Follower {
    /// Takes a row that was read as it is.
    pub(super) fn read_as_it_is(
        &mut self,
        row: &Envelope,
        key: Option<&str>,
        (partition, place): (usize, PulsarPlace),
    ) -> Result<Of, PostgresFault> {
        if !self.pieces.is_open || self.pieces.lsn != row.lsn {
            info!(source = %self.intake.source, lsn = row.lsn, "tables are read as they are");
        }
        self.pieces.begin(row, self.intake.place.is_some());
        if row.snapshot != SnapshotMark::Incremental {
            // What ended before is in them.
            self.assembly.taken_in = self.assembly.taken_in.max(row.lsn);
        }
        let said = self.said(row, key)?;
        if let Some(compared) = &mut self.pieces.compared {
            compare(&mut self.intake.reader, &self.intake.keeper, &said, compared);
        }
        let piece = &mut self.pieces.piece;
        piece.rows += 1;
        piece.places.insert(partition, place);
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
        let beside = if may_settle { self.beside(&places) } else { Vec::new() };
        let place = self.reading_place();
        let take_kept = |keeper: &mut Keeper, into: &mut Followed| take_kept(&kept, keeper, into);
        self.intake.commit_read(open, (place, beside), take_kept).await?;
        if may_settle {
            self.pieces.settled = number;
        }
        Ok(())
    }

    /// Where the log stood when the tables were read; where they were read beside it, where it has been taken in.
    fn reading_place(&self) -> PostgresPlace {
        match self.intake.place {
            Some(known) if !self.pieces.is_open => known,
            _ => self.place(self.pieces.lsn, true),
        }
    }

    /// Whether all rows are in that were read as they are: nothing that came before now is missing. If not, it is asked.
    pub(super) async fn are_pieces_in(&mut self) -> Result<bool, PostgresFault> {
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
            return Ok(false);
        }
        if self.pieces.piece.rows > 0 {
            self.pass_piece_on().await?;
        }
        if let Some(compared) = self.pieces.compared.take() {
            self.take_back_unseen(&compared).await?;
        }
        (self.pieces.is_open, self.pieces.settled) = (false, self.pieces.number - 1);
        if self.pieces.lsn > 0 {
            let place = self.place(self.pieces.lsn, false);
            self.intake.remember_read(place).await?;
            info!(source = %self.intake.source, lsn = place.lsn, "the tables have been read");
        }
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
