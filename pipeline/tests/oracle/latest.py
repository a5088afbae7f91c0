"""The oracle: what a replay of a long-format source counts, and what `export latest` shows.

It is written from the contract alone and shares nothing with the platform, so that the two
can only agree by both being right. Prints the counts as JSON; writes the rows with --rows.

    latest.py FOLDER [--valid-at T] [--known-at T] [--enforce gates,limits,locks] [--round D]
              [--skip-existing-check] [--rows FILE.csv]
    latest.py eia930_vintages --releases 2019,2020     (as eia.py; --rows is Parquet then)
"""

import argparse
import csv
import json
import sys
from dataclasses import dataclass

from long_format import read_folder
from quantity import Unreadable, read_instant, show_date, show_instant, show_mw
from saving import Rules, save_folder

COUNTS = ("read", "saved", "skipped", "nulls", "restated", "withdrawnBatches", "unknownBatches")
ENFORCEABLE = ("gates", "limits", "locks")


@dataclass
class LatestRow:
    """One row of `export latest`; values in hundredths of a kW, instants in microseconds."""

    kind: str
    unit_type: str
    unit_no: int
    provider: str
    period_minutes: int
    delivery_start: int
    value: int
    valid_after: int
    recorded: int
    sequence: int
    source_batch: object
    user: object
    note: object

    @property
    def identity(self):
        return (self.kind, self.unit_type, self.unit_no, self.provider, self.period_minutes, self.delivery_start)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="a long-format folder or a single forecasts file")
    add_flags(parser)
    parser.add_argument("--rows", metavar="FILE", help="write the rows of `export latest` as CSV")
    options = parser.parse_args(arguments)
    if options.releases:
        import eia

        answer, _ = eia.run(options.folder, options.releases, options.known_at, options.rows)
        print(json.dumps(answer))
        return
    books = save_folder(read_folder(options.folder), rules_of(options))
    if options.rows:
        write_rows(options.rows, latest(books, options.valid_at, options.known_at))
    print(json.dumps(counts(books)))


def add_flags(parser):
    """The flags that decide what the answer is; every command of the oracle takes them."""
    parser.add_argument("--valid-at", type=instant, metavar="T", help="reference (default: --known-at, else the clock)")
    parser.add_argument("--known-at", type=instant, metavar="T", help="what had been recorded by then")
    parser.add_argument("--enforce", type=enforced, default=frozenset(), metavar="gates,limits,locks")
    parser.add_argument("--round", type=int, metavar="D", help="round to D decimals in the unit given")
    parser.add_argument("--skip-existing-check", action="store_true")
    parser.add_argument("--releases", metavar="2019,2020", help="FOLDER holds these releases of eia930_vintages")


def instant(text):
    try:
        return read_instant(text)
    except Unreadable as unreadable:
        raise argparse.ArgumentTypeError(f"{text} is no instant with an offset") from unreadable


def enforced(text):
    names = frozenset(name for name in text.split(",") if name)
    if not names <= frozenset(ENFORCEABLE):
        raise argparse.ArgumentTypeError(f"{text}: expected some of {','.join(ENFORCEABLE)}")
    return names


def rules_of(options):
    return Rules(options.enforce, options.round, options.skip_existing_check)


def counts(books):
    """The counts `replay --json` prints."""
    refused = {code: number for code, number in sorted(books.refused.items()) if number}
    return {name: books.counts[name] for name in COUNTS} | {"refused": refused}


def latest(books, valid_at=None, known_at=None):
    """The row shown of every slot whose winner is a value, in the order of the export."""
    reference, knowledge = picture(books, valid_at, known_at)
    rows = []
    for (kind, unit, provider, period, delivery_start), revisions in books.slots.items():
        shown = row_shown(counting(revisions, reference, knowledge))
        if shown is None or shown.value is None:
            continue
        head = shown.batch.head
        rows.append(
            LatestRow(
                kind=kind,
                unit_type=unit[0],
                unit_no=unit[1],
                provider=provider,
                period_minutes=period,
                delivery_start=delivery_start,
                value=shown.value,
                valid_after=shown.valid_after,
                recorded=head.recorded,
                sequence=shown.batch.sequence,
                source_batch=shown.batch.key,
                user=head.user,
                note=head.note,
            )
        )
    return sorted(rows, key=export_order)


def picture(books, valid_at, known_at):
    """(reference, knowledge) that two asked instants mean; an instant not asked for is None."""
    knowledge = books.clock if known_at is None else min(known_at, books.clock)
    return knowledge if valid_at is None else valid_at, knowledge


def counting(revisions, reference, knowledge):
    """The revisions that count at a reference by what was known then, oldest first."""
    return sorted(
        (
            revision
            for revision in revisions
            if revision.valid_after <= reference
            and revision.batch.head.recorded <= knowledge
            and not (revision.batch.withdrawn_at is not None and revision.batch.withdrawn_at <= knowledge)
        ),
        key=lambda revision: revision.order,
    )


def row_shown(revisions):
    """From the winner back through predecessors of the same value ("since when a value stands")."""
    shown = None
    for revision in reversed(revisions):
        if shown is not None and (shown.unchecked or revision.value != shown.value):
            break
        shown = revision
    return shown


def export_order(row):
    return (row.kind, show_date(row.delivery_start), *row.identity[1:])


def write_rows(file, rows):
    """The rows as CSV, in the words and the order of the export."""
    with open(file, "w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(
            ("kind", "unit_type", "unit_no", "provider", "period_minutes", "delivery_start", "value_mw")
            + ("valid_after", "recorded", "sequence", "source_batch", "user", "note")
        )
        for row in rows:
            times = show_instant(row.valid_after), show_instant(row.recorded)
            texts = row.source_batch or "", row.user or "", row.note or ""
            lines.writerow(
                (*row.identity[:5], show_instant(row.delivery_start), show_mw(row.value), *times, row.sequence, *texts)
            )


if __name__ == "__main__":
    main(sys.argv[1:])
