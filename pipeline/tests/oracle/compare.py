"""Compares what the platform exported and counted with what the oracle says, column by column.

    compare.py FOLDER OUT... [--counts REPLAY_JSON] [--valid-at T] [--known-at T]
               [--enforce gates,limits,locks] [--round D] [--skip-existing-check]

FOLDER is the long-format source that was replayed, each OUT holds an export of `latest` made
with the same instants, REPLAY_JSON what `replay --json` printed (its last line counts; `-` is
standard input). Prints the first differences and exits 1 when there is any.
With --releases, FOLDER holds eia930_vintages and --known-at chooses the picture.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import exported
from latest import COUNTS, add_flags, counts, latest, rules_of
from long_format import read_folder
from quantity import show_instant
from saving import save_folder

INSTANTS = ("valid_after", "recorded")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("outs", nargs="*", metavar="OUT")
    parser.add_argument("--counts", metavar="FILE", help="the JSON line of the replay")
    parser.add_argument("--first", type=int, default=20, metavar="N", help="how many differences to print")
    add_flags(parser)
    options = parser.parse_args(arguments)
    if not options.outs and not options.counts:
        parser.error("nothing to compare: give an OUT, or --counts")
    if options.releases:
        expected_counts, differences = compare_releases(options)
    else:
        expected_counts, differences = compare_folder(options)
    if options.counts:
        differences = list(differences_of_counts(expected_counts, read_counts(options.counts))) + differences
    for difference in differences[: options.first]:
        print(difference)
    print(f"{len(differences)} differences")
    if differences:
        raise SystemExit(1)


def compare_folder(options):
    """(expected counts, differences of every OUT) of a long-format source."""
    books = save_folder(read_folder(options.folder), rules_of(options))
    expected = latest(books, options.valid_at, options.known_at)
    differences = []
    for out in options.outs:
        rows, complaints = exported.read_rows(out)
        differences += complaints + list(differences_of_rows(expected, rows)) + list(differences_of_ids(rows))
    return counts(books), differences


def compare_releases(options):
    """(expected counts, differences of every OUT) of releases of eia930_vintages."""
    import eia

    differences = []
    for out in options.outs or [None]:
        expected_counts, found = eia.run(options.folder, options.releases, options.known_at, compare=out)
        differences += found
    return expected_counts, differences


def read_counts(file):
    """The last line of what a replay printed."""
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    return json.loads(text.strip().splitlines()[-1])


def differences_of_counts(expected, found):
    for name in COUNTS:
        if found.get(name) != expected[name]:
            yield f"{name}: expected {expected[name]}, found {found.get(name)}"
    refused = {code: number for code, number in found.get("refused", {}).items() if number}
    for code in sorted(expected["refused"].keys() | refused.keys()):
        if expected["refused"].get(code, 0) != refused.get(code, 0):
            yield f"refused {code}: expected {expected['refused'].get(code, 0)}, found {refused.get(code, 0)}"


def differences_of_rows(expected, found):
    """Rows that are missing, not expected, there twice, or different in a column."""
    expected = {row.key: row for row in expected}
    seen = {}
    for other in found:
        if other.row.key in seen:
            yield f"{show_key(other.row)}: exported twice"
        seen[other.row.key] = other.row
    for key, row in expected.items():
        if key not in seen:
            yield f"{show_key(row)}: missing: {show_row(row)}"
        elif seen[key] != row:
            yield f"{show_key(row)}: expected, found: {', '.join(differing_columns(row, seen[key]))}"
    for key, row in seen.items():
        if key not in expected:
            yield f"{show_key(row)}: not expected: {show_row(row)}"


def differing_columns(row, other):
    for field in dataclasses.fields(row):
        here, there = getattr(row, field.name), getattr(other, field.name)
        if here != there:
            yield f"{field.name} {show_cell(field.name, here)}, {show_cell(field.name, there)}"


def differences_of_ids(rows):
    """A batch id is there, is one for a sequence, and is no other sequence's."""
    id_of, sequence_of = {}, {}
    for other in rows:
        sequence, batch_id = other.row.sequence, other.batch_id
        if batch_id is None:
            yield f"{show_key(other.row)}: no batch_id"
        elif id_of.setdefault(sequence, batch_id) != batch_id:
            yield f"{show_key(other.row)}: sequence {sequence} has batch_id {id_of[sequence]} and {batch_id}"
        elif sequence_of.setdefault(batch_id, sequence) != sequence:
            yield f"{show_key(other.row)}: batch_id {batch_id} has sequence {sequence_of[batch_id]} and {sequence}"


def show_key(row):
    kind, unit_type, unit_no, provider, period, start = row.key
    return f"{kind} {unit_type}/{unit_no} {provider} {period} min {show_cell('valid_after', start)}"


def show_row(row):
    columns = ("value", "valid_after", "recorded", "sequence", "source_batch", "user", "note")
    return ", ".join(f"{name} {show_cell(name, getattr(row, name))}" for name in columns)


def show_cell(name, cell):
    return show_instant(cell) if name in INSTANTS and cell is not None else repr(cell)


if __name__ == "__main__":
    main(sys.argv[1:])
