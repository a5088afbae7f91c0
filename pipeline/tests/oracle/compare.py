"""Compares what the platform exported and counted with what the oracle says, column by column.

    compare.py FOLDER OUT... [--counts REPLAY_JSON] [--valid-at T] [--known-at T]
               [--view latest|resolved|totals] [--period P] [--completeness C]
               [--from T] [--to T] [--provider P] [--each FILE]
               [--enforce gates,limits,locks] [--round D] [--skip-existing-check]

FOLDER is the long-format source that was replayed, each OUT holds an export of the view (`latest`
unless said) made with the same instants and selection, REPLAY_JSON what `replay --json` printed
(its last line counts; `-` is standard input). Prints the first differences and exits 1 when
there is any.
With --each, every line of FILE is a JSON list of an OUT and flags of its own (view, period,
instants, ...), compared with the same FOLDER and the same rules of saving: one reading for many.
With --releases, FOLDER holds eia930_vintages and --known-at chooses the picture.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import exported
from cells import ALWAYS, NEVER
from latest import COUNTS, add_flags, counts, instant, latest, rules_of
from long_format import read_folder
from quantity import show_instant
from resolved import MINUTES, resolved
from saving import save_folder
from totals import totals

INSTANTS = ("valid_after", "recorded")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("outs", nargs="*", metavar="OUT")
    parser.add_argument("--counts", metavar="FILE", help="the JSON line of the replay")
    parser.add_argument("--each", metavar="FILE", help="more to compare, a JSON list of arguments a line")
    parser.add_argument("--view", choices=exported.VIEWS, default="latest")
    parser.add_argument("--period", type=minutes, metavar="P", help="of resolved and totals; default: their grids")
    parser.add_argument("--completeness", type=float, default=0.0, metavar="C", help="least coverage of a value shown")
    parser.add_argument("--from", dest="begin", type=instant, default=ALWAYS, metavar="T", help="first slot")
    parser.add_argument("--to", dest="end", type=instant, default=NEVER, metavar="T", help="the slot after the last")
    parser.add_argument("--provider", help="only its rows")
    parser.add_argument("--first", type=int, default=20, metavar="N", help="how many differences to print")
    add_flags(parser)
    options = parser.parse_args(arguments)
    if not options.outs and not options.counts and not options.each:
        parser.error("nothing to compare: give an OUT, --each or --counts")
    if options.releases:
        expected_counts, differences = compare_releases(options)
    else:
        lines = Path(options.each).read_text(encoding="utf-8").splitlines() if options.each else []
        each = [parser.parse_args([options.folder, *map(str, json.loads(line))]) for line in lines if line]
        expected_counts, differences = compare_folder(options, each)
    if options.counts:
        differences = list(differences_of_counts(expected_counts, read_counts(options.counts))) + differences
    for difference in differences[: options.first]:
        print(difference)
    print(f"{len(differences)} differences")
    if differences:
        raise SystemExit(1)


def compare_folder(options, each=()):
    """(expected counts, differences of every OUT) of a long-format source."""
    books = save_folder(read_folder(options.folder), rules_of(options))
    differences = differences_of_exports(books, options)
    for others in each:
        asked = f"{', '.join(others.outs)} {others.view} at {others.period or 'its grids'}: "
        differences += [asked + difference for difference in differences_of_exports(books, others)]
    return counts(books), differences


def differences_of_exports(books, options):
    """What differs in every OUT."""
    expected = [row for row in rows_of(books, options) if is_selected(row, options)] if options.outs else []
    differences = []
    for out in options.outs:
        rows, complaints = exported.read_rows(out, options.view)
        differences += complaints + list(differences_of_rows(expected, rows))
        if options.view == "latest":
            differences += differences_of_ids(rows)
    return differences


def rows_of(books, options):
    """The rows of the view that was asked for."""
    if options.view == "latest":
        return latest(books, options.valid_at, options.known_at)
    view = {"resolved": resolved, "totals": totals}[options.view]
    return view(books, options.valid_at, options.known_at, options.period, options.completeness)


def is_selected(row, options):
    """Whether a slot begins in the range, and its provider is the one asked for."""
    return options.begin <= row.delivery_start < options.end and options.provider in (None, row.provider)


def minutes(text):
    """A period, which divides the day."""
    period = int(text)
    if period < 1 or MINUTES % period:
        raise argparse.ArgumentTypeError(f"{text} does not divide the day")
    return period


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
    expected = {row.identity: row for row in expected}
    seen = {}
    for other in found:
        if other.row.identity in seen:
            yield f"{show_key(other.row)}: exported twice"
        seen[other.row.identity] = other.row
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
    kind, *of, provider, period, start = row.identity
    return f"{kind} {of[0]}/{of[1]} {provider} {period} min {show_instant(start)}"


def show_row(row):
    """The columns that are not of the key."""
    columns = [field.name for field in dataclasses.fields(row)]
    rest = columns[columns.index("delivery_start") + 1 :]
    return ", ".join(f"{name} {show_cell(name, getattr(row, name))}" for name in rest)


def show_cell(name, cell):
    return show_instant(cell) if name in INSTANTS and cell is not None else repr(cell)


if __name__ == "__main__":
    main(sys.argv[1:])
