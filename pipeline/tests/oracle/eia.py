"""The oracle for eia930_vintages: whole files compared with each other, hour by hour.

A release states every hour of its span again, so all that can happen to an hour is told by the
two or three cells it has. Each code is worked through by itself with one array a kind, which
keeps 11 million cells within a minute and a few dozen MB.

    eia.py [--datasets DIR] 2019,2020 [--as-of T] [--rows FILE.parquet] [--rows-hash] [--compare OUT]

Prints the counts of a replay as JSON. --as-of chooses what was known when for the rows (the
counts are always those of all releases named); --compare reads an export of the platform.
"""

import argparse
import gzip
import hashlib
import json
import os
import sys
from array import array
from collections import Counter
from pathlib import Path

from quantity import (
    HOUR,
    HUNDREDTHS_PER_UNIT,
    MW,
    VALUE_BOUND,
    read_instant,
    read_number,
    round_half_away,
    show_instant,
)

DATASETS = Path(os.environ.get("SMARTPULSE_DATASETS", "../shared/datasets")) / "eia930_vintages"
QUERIED = {
    "2019": read_instant("2019-09-10T00:00:00Z"),
    "2020": read_instant("2020-09-28T00:00:00Z"),
    "2025": read_instant("2025-01-23T00:00:00Z"),
}
KINDS = ("actual", "forecast")  # the demand and the forecast demand of a file
NOTHING_REPORTED = ("MISSING", "EMPTY")

# An hour of a kind holds its value in hundredths of a kW, or this; and the release it stands since.
NO_VALUE = -(2**63)
FIRST_STAMP = read_instant("2015-01-01T00:00:00Z")
HOURS = (read_instant("2025-02-01T00:00:00Z") - FIRST_STAMP) // HOUR


class Hours:
    """What one code was said to have in each hour, for one kind."""

    def __init__(self):
        self.values = array("q", [NO_VALUE]) * HOURS
        self.since = array("q", [0]) * HOURS

    def copy(self):
        picture = Hours.__new__(Hours)
        picture.values, picture.since = self.values[:], self.since[:]
        return picture


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("releases", help="2019,2020,2025 or some of them")
    parser.add_argument("--datasets", default=DATASETS, metavar="DIR")
    parser.add_argument("--as-of", type=read_instant, metavar="T", help="rows as known then (default: the end)")
    parser.add_argument(
        "--rows", metavar="FILE", help="write unit_no, kind, delivery_start, value_mw, recorded as Parquet"
    )
    parser.add_argument("--rows-hash", action="store_true", help="print a SHA-256 of the rows with the counts")
    parser.add_argument("--compare", metavar="OUT", help="compare OUT/latest with the rows; exit 1 when they differ")
    options = parser.parse_args(arguments)
    answer, differences = run(
        options.datasets, options.releases, options.as_of, options.rows, options.rows_hash, options.compare
    )
    print(json.dumps(answer))
    report(differences)


def run(datasets, releases, as_of=None, rows_file=None, rows_hash=False, compare=None):
    """Work through all codes, with the rows written, hashed and compared as asked: (counts, differences)."""
    folders = release_folders(datasets)
    releases = sorted(set(releases.split(",")))
    if not set(releases) <= QUERIED.keys():
        raise SystemExit(f"{releases}: expected some of {sorted(QUERIED)}")
    counts, refused = Counter(), Counter()
    digest, number_of_rows = hashlib.sha256(), 0
    writer = RowsFile(rows_file) if rows_file else None
    series, differences = read_export(compare) if compare else ({}, [])
    for unit_no, code in enumerate(all_codes(folders), start=1):
        picture = work_through(code, folders, releases, as_of, counts, refused)
        for kind, hours in zip(KINDS, picture):
            rows = rows_of(hours)
            number_of_rows += len(rows)
            if rows_hash:
                for row in rows:
                    digest.update(b"%s,%d,%d,%d,%d\n" % (kind.encode(), unit_no, *row))
            if writer:
                writer.write(unit_no, kind, rows)
            if compare:
                differences += differences_of(code, kind, rows, series.pop((kind, unit_no), ()))
    if writer:
        writer.close()
    answer = {name: counts[name] for name in ("read", "saved", "skipped", "nulls", "restated")}
    answer |= {"withdrawnBatches": 0, "unknownBatches": 0, "refused": dict(refused)}
    if rows_hash:
        answer |= {"rows": number_of_rows, "rowsHash": digest.hexdigest()}
    differences += [f"{kind} of unit {unit_no} is exported and should not be" for kind, unit_no in series]
    return answer, differences


def release_folders(datasets):
    """{year: folder} of the three releases."""
    found = {folder.name[len("release_") :][:4]: folder for folder in Path(datasets).glob("release_*")}
    if found.keys() != QUERIED.keys():
        raise SystemExit(f"{datasets}: expected the releases {sorted(QUERIED)}, found {sorted(found)}")
    return found


def all_codes(folders):
    """The codes of all three releases in byte order: their rank from 1 is the unit number."""
    names = {file.name.split(".")[0] for folder in folders.values() for file in folder.glob("*.csv*")}
    return sorted(names, key=str.encode)


def work_through(code, folders, releases, as_of, counts, refused):
    """Take in the releases of one code in order; the picture as known at `as_of`, a kind each."""
    now = [Hours() for _ in KINDS]
    picture = [hours.copy() for hours in now] if as_of is not None else now
    for release in releases:
        file = folders[release] / f"{code}.csv.gz"
        if file.exists():
            take_file(file, QUERIED[release], now, counts, refused)
        if as_of is not None and QUERIED[release] <= as_of:
            picture = [hours.copy() for hours in now]
    return picture


def take_file(file, recorded, now, counts, refused):
    """One file: one batch of a demand and perhaps a forecast of every hour it names."""
    lines = gzip.decompress(file.read_bytes()).decode("ascii").splitlines()
    kinds = len(lines[0].split(",")) - 1
    seen = set()
    for line in lines[1:]:
        stamp, *cells = line.split(",")
        hour = hour_of(stamp)
        if hour in seen or len(cells) != kinds:
            raise SystemExit(f"{file}: {line}")
        seen.add(hour)
        for hours, cell in zip(now, cells):
            counts["read"] += 1
            take_cell(hours, hour, cell.strip(), recorded, counts, refused)


STAMPS = {}


def hour_of(stamp):
    """The number of the hour that ends at a stamp (delivery starts an hour before it)."""
    hour = STAMPS.get(stamp)
    if hour is None:
        start = read_instant(stamp + "Z") - HOUR
        hour, rest = divmod(start - FIRST_STAMP, HOUR)
        if rest or not 0 <= hour < HOURS:
            raise SystemExit(f"{stamp} is no full hour between 2015 and 2025")
        STAMPS[stamp] = hour
    return hour


def take_cell(hours, hour, cell, recorded, counts, refused):
    """One value: refused, equal to what stands, or saved."""
    value = NO_VALUE if cell in NOTHING_REPORTED else hundredths(cell)
    if value != NO_VALUE and abs(value) > VALUE_BOUND:
        refused["VALUE_OUT_OF_RANGE"] += 1
        return
    before = hours.values[hour]
    if value == before:
        counts["skipped"] += 1
        return
    counts["saved"] += 1
    if value == NO_VALUE:
        counts["nulls"] += 1
    elif before != NO_VALUE:
        counts["restated"] += 1
    hours.values[hour] = value
    hours.since[hour] = recorded


def hundredths(cell):
    """MW as hundredths of a kW; almost every cell is a whole number."""
    try:
        return int(cell) * HUNDREDTHS_PER_UNIT[MW]
    except ValueError:
        return round_half_away(read_number(cell) * HUNDREDTHS_PER_UNIT[MW])


def rows_of(hours):
    """(delivery_start, value, recorded) of each hour that has a value."""
    return [
        (FIRST_STAMP + hour * HOUR, value, hours.since[hour])
        for hour, value in enumerate(hours.values)
        if value != NO_VALUE
    ]


class RowsFile:
    """The rows as Parquet, one row group a code and kind."""

    def __init__(self, file):
        import pyarrow as pa
        import pyarrow.parquet as pq

        instant = pa.timestamp("us", "UTC")
        self.schema = pa.schema(
            [("unit_no", pa.int64()), ("kind", pa.string()), ("delivery_start", instant)]
            + [("value_mw", pa.float64()), ("recorded", instant)]
        )
        self.table = pa.table
        self.writer = pq.ParquetWriter(file, self.schema, compression="zstd")

    def write(self, unit_no, kind, rows):
        if rows:
            starts, values, recorded = zip(*rows)
            mw = [value / HUNDREDTHS_PER_UNIT[MW] for value in values]
            columns = [[unit_no] * len(rows), [kind] * len(rows), starts, mw, recorded]
            self.writer.write_table(self.table(columns, schema=self.schema))

    def close(self):
        self.writer.close()


def read_export(out):
    """What an export of `latest` holds: ({(kind, unit_no): columns}, complaints)."""
    import exported

    return exported.eia_series(out)


def differences_of(code, kind, rows, columns):
    """What is missing, not expected or different in one series of an export."""
    found = list(zip(*columns))
    expected, actual = set(rows), set(found)
    if len(actual) != len(found):
        yield f"{kind} of {code}: {len(found) - len(actual)} rows are exported twice"
    for words, (start, value, recorded) in [("missing", row) for row in sorted(expected - actual)] + [
        ("not expected", row) for row in sorted(actual - expected)
    ]:
        yield f"{kind} of {code} at {show_instant(start)}: {words}: {value} hundredths of a kW since {show_instant(recorded)}"


def report(differences):
    """Print the first differences; any of them is a failure."""
    for difference in differences[:20]:
        print(difference, file=sys.stderr)
    if differences:
        print(f"{len(differences)} differences", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
