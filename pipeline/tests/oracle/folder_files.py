"""Writing the files of a random folder, as CSV or as Parquet.

Records are {column: cell}: an instant as whole microseconds, anything else as text. CSV says an
instant with any offset; Parquet gives each column its proper type, and what does not fit it
becomes null (in a float column: NaN), as it would in a file made by a program.
"""

import csv

from quantity import Unreadable, read_integer, show_instant

INSTANTS = ("valid_after", "recorded", "delivery_start", "valid_from", "valid_to", "from", "to", "expires", "released")
INTEGERS = ("unit_no", "period_minutes", "parent_no", "child_no")
OFFSETS = (0, 0, 0, 180, -330, 345, -720, 60)


class CsvFile:
    """Text, with instants at different offsets."""

    def __init__(self, rng, columns):
        self.rng, self.columns = rng, columns
        self.one_offset = rng.random() < 0.5

    def write(self, path, records):
        quoting = self.rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
        ending = self.rng.choice(("\n", "\n", "\r\n"))
        with open(f"{path}.csv", "w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, quoting=quoting, lineterminator=ending)
            lines.writerow(self.columns)
            for record in records:
                lines.writerow([self.text(record.get(column, "")) for column in self.columns])

    def text(self, cell):
        if not isinstance(cell, int):
            return cell
        return show_instant(cell, 0 if self.one_offset else self.rng.choice(OFFSETS))


class ParquetFile:
    """Typed columns; numbers as floats or as text by the draw."""

    def __init__(self, rng, columns):
        self.rng, self.columns = rng, columns
        self.values_are_text = rng.random() < 0.4

    def write(self, path, records):
        import pyarrow as pa
        import pyarrow.parquet as pq

        records = [without_half_times(record) for record in records]
        columns = {name: self.column(pa, name, [record.get(name, "") for record in records]) for name in self.columns}
        pq.write_table(pa.table(columns), f"{path}.parquet", row_group_size=self.rng.choice((7, 100, 10_000)))

    def column(self, pa, name, cells):
        if name in INSTANTS:
            return pa.array([cell if isinstance(cell, int) else None for cell in cells], pa.timestamp("us", "UTC"))
        if name in INTEGERS:
            return pa.array([integer_or_none(cell) for cell in cells], pa.int64())
        if name == "installed_power_mw":
            return pa.array([float(cell) if cell else None for cell in cells], pa.float64())
        # `value` of the properties also holds the names of markets.
        if name == "value" and "delivery_start" in self.columns and not self.values_are_text:
            return pa.array([float_or_none(cell) for cell in cells], pa.float64())
        if name == "measure_unit" and all(cell.isdigit() for cell in cells):
            return pa.array([int(cell) for cell in cells], pa.int64())
        empty_is_null = self.rng.random() < 0.5
        texts = [None if cell == "" and empty_is_null else cell for cell in cells]
        plain = pa.array(texts, pa.string())
        return plain.dictionary_encode() if self.rng.random() < 0.3 else plain


def without_half_times(record):
    """One unreadable time of a save becomes two nulls: one alone would read as the other time."""
    bad = any(isinstance(record.get(name), str) and record[name] != "" for name in ("valid_after", "recorded"))
    return record | {"valid_after": "", "recorded": ""} if bad else record


def integer_or_none(cell):
    try:
        return read_integer(cell)
    except Unreadable:
        return None


def float_or_none(cell):
    """Null for a withdrawal; what is no number is written as one that is none."""
    if cell.strip() == "":
        return None
    try:
        return float(cell.replace("_", "?"))
    except ValueError:
        return float("nan")
