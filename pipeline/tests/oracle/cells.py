"""The rows of a file as cells, and what a cell of any file may say."""

import csv
import gzip
import io
import itertools

from quantity import Unreadable, read_instant, read_integer

UNIT_TYPES = ("PP", "CMP", "GRP")

# Stands before every instant: what an empty `recorded`, `valid_from` or `from` means.
ALWAYS = -(10**18)
# Stands after every instant: an empty `to`, `expires` or `released`.
NEVER = 10**18


def cells_of(file):
    """The rows of a file as {column: cell}: text, or whole microseconds of a timestamp."""
    if ".parquet" in file.suffixes:
        yield from parquet_cells(file)
        return
    data = file.read_bytes()
    if file.suffix == ".gz":
        data = gzip.decompress(data)
    lines = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    header = [name.strip().lower() for name in next(lines, [])]
    for line in lines:
        if line:
            yield dict(itertools.zip_longest(header, line[: len(header)], fillvalue=""))


def parquet_cells(file):
    """Parquet cells as the text a CSV would hold; only timestamps stay numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(file).read()
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
            columns[name.lower()] = ["" if cell is None else cell for cell in column.to_pylist()]
        else:
            columns[name.lower()] = [cell_text(cell) for cell in column.to_pylist()]
    for cells in zip(*columns.values()):
        yield dict(zip(columns, cells))


def cell_text(cell):
    """A float is taken by its shortest decimal text, which is what `repr` prints."""
    if cell is None:
        return ""
    return repr(cell) if isinstance(cell, float) else str(cell)


def required(cells, name):
    if name not in cells:
        raise SystemExit(f"column {name} is missing")
    return cells[name]


def read_unit_key(cells, type_column="unit_type", number_column="unit_no"):
    unit_type = required(cells, type_column).strip().upper()
    number = read_integer(required(cells, number_column))
    if unit_type not in UNIT_TYPES or number < 1:
        raise Unreadable(f"{unit_type} {number}")
    return (unit_type, number)


def filled(cells, name):
    cell = cells.get(name, "")
    return isinstance(cell, int) or cell.strip() != ""


def instant_or(cells, name, otherwise):
    """The instant in a cell, or what an empty cell means."""
    return read_instant(cells[name]) if filled(cells, name) else otherwise
