"""What is kept of a source that was taken in: the one thing every view is made from."""

from collections import Counter
from dataclasses import dataclass, field

from cells import ALWAYS


@dataclass
class Rules:
    """The switches of a replay."""

    enforce: frozenset = frozenset()  # of "gates", "limits", "locks"
    round_digits: object = None
    skip_existing_check: bool = False


@dataclass
class Batch:
    """One save, with all rows that name it."""

    key: object  # None when its rows name none
    rows: list
    sequence: int = 0
    accepted: int = 0  # values saved or skipped
    withdrawn_at: object = None

    @property
    def head(self):
        """The row that speaks for the batch."""
        return next(row for row in self.rows if row.readable)


@dataclass
class Revision:
    """One value (None: withdrawn) a slot was given by a batch."""

    batch: Batch
    valid_after: int
    value: object
    unchecked: bool  # saved without the existing check

    @property
    def order(self):
        return (self.valid_after, self.batch.sequence)


@dataclass
class Books:
    """All that is known after a source was taken in."""

    clock: int = ALWAYS
    slots: dict = field(default_factory=dict)  # (kind, unit, provider, period, delivery_start) -> [Revision]
    batches: dict = field(default_factory=dict)  # key -> accepted Batch
    units: object = None  # unit -> {valid_from: installed power}; None: any unit there is
    statements: list = field(default_factory=list)  # versions of units and memberships as they were taken in
    first_named: dict = field(default_factory=dict)  # unit -> `recorded` of the first batch that names it
    properties: dict = field(default_factory=dict)  # (unit, key) -> text
    locks: list = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    refused: Counter = field(default_factory=Counter)
    sequence: int = 0
