"""Reading back an export of `latest`, `resolved` or `totals`, and complaining where its form is not what is promised.

The two path keys come from the path, every other column from the file; a value is turned back
into hundredths of a kW and has to be exactly the double that stands for it.
"""

from array import array
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from latest import LatestRow
from quantity import HUNDREDTHS_PER_UNIT, MW, show_date
from resolved import ResolvedRow
from totals import TotalsRow

COLUMNS = ("unit_type", "unit_no", "provider", "period_minutes", "delivery_start", "value_mw", "valid_after")
COLUMNS += ("recorded", "sequence", "batch_id", "source_batch", "user", "note")
RESOLVED_COLUMNS = (*COLUMNS[:6], "coverage")
TOTALS_COLUMNS = ("dimension", "key", *COLUMNS[2:6], "members", "reporting", "coverage")
VIEWS = {"latest": (COLUMNS, LatestRow), "resolved": (RESOLVED_COLUMNS, ResolvedRow)}
VIEWS |= {"totals": (TOTALS_COLUMNS, TotalsRow)}
FLOATS = ("value_mw", "coverage")
INTEGERS = ("unit_no", "period_minutes", "sequence", "members", "reporting")
INSTANTS = ("delivery_start", "valid_after", "recorded")
METADATA = (b"smartpulse.epoch", b"smartpulse.valid_at", b"smartpulse.known_at", b"smartpulse.schema_version")


@dataclass
class ExportedRow:
    """A row of an export: what the oracle knows of it, and the batch id it was given (in `latest`)."""

    row: object
    batch_id: object
    file: str


def parts_of(out, view="latest"):
    """(kind, delivery_date, file, table) of each part of OUT/VIEW, and complaints about their form."""
    root = Path(out) / view
    if not root.is_dir():
        raise SystemExit(f"{root}: no such export")
    for file in sorted(root.rglob("*.parquet")):
        keys = [key.partition("=") for key in file.relative_to(root).parts[:-1]]
        if [name for name, _, _ in keys] != ["kind", "delivery_date"]:
            yield "", "", file, None, [f"{file}: not below kind=…/delivery_date=…"]
            continue
        table = pq.ParquetFile(file).read()
        yield keys[0][2], keys[1][2], file, table, complaints_about(file, table, VIEWS[view][0])


def complaints_about(file, table, columns):
    """Columns, their types and the metadata, against section 3 of the interface."""
    complaints = []
    if tuple(table.column_names) != columns:
        complaints.append(f"{file}: columns {table.column_names}")
    for name, column in zip(table.schema.names, table.schema.types):
        if name in INSTANTS and column != pa.timestamp("us", "UTC"):
            complaints.append(f"{file}: {name} is {column}")
        elif name in FLOATS and column != pa.float64():
            complaints.append(f"{file}: {name} is {column}")
        elif name in INTEGERS and not pa.types.is_integer(column):
            complaints.append(f"{file}: {name} is {column}")
    lacking = [key.decode() for key in METADATA if key not in (table.schema.metadata or {})]
    if lacking:
        complaints.append(f"{file}: metadata lacks {', '.join(lacking)}")
    return complaints


def read_rows(out, view="latest"):
    """(rows in the order of the files, complaints)."""
    columns, kind_of_row = VIEWS[view]
    rows, complaints = [], []
    for kind, delivery_date, file, table, about in parts_of(out, view):
        complaints += about
        if table is None or not set(columns) <= set(table.column_names):
            continue
        for line in zip(*(plain(table, name) for name in columns)):
            cells = dict(zip(columns, line))
            mw, start, batch_id = cells.pop("value_mw"), cells["delivery_start"], cells.pop("batch_id", None)
            value = hundredths(mw)
            # Only `latest` leaves the slots out in which nothing stands.
            if value is None and (mw is not None or view == "latest"):
                complaints.append(f"{file}: value_mw {mw!r} is not exact to the hundredth of a kW")
            if start is None or show_date(start) != delivery_date:
                complaints.append(f"{file}: holds a delivery of {start}")
            rows.append(ExportedRow(kind_of_row(kind=kind, value=value, **cells), batch_id, str(file)))
    return rows, complaints


def plain(table, name):
    """A column as Python values; instants as microseconds."""
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    return column.to_pylist()


def hundredths(mw):
    """The value a double stands for, or None where it stands for none exactly."""
    if mw is None or mw != mw or abs(mw) > 1e9:
        return None
    value = round(mw * HUNDREDTHS_PER_UNIT[MW])
    return value if value / HUNDREDTHS_PER_UNIT[MW] == mw else None


def eia_series(out):
    """({(kind, unit_no): (starts, values, recorded)}, complaints) of an export of eia930_vintages."""
    series, complaints = {}, []
    constants = {"unit_type": ["PP"], "provider": ["EIA"], "period_minutes": [60], "user": [None], "note": [None]}
    for kind, delivery_date, file, table, about in parts_of(out):
        complaints += about
        if table is None or not set(COLUMNS) <= set(table.column_names):
            continue
        for name, constant in constants.items():
            if pc.unique(table.column(name)).to_pylist() != constant:
                complaints.append(f"{file}: {name} is not {constant[0]} everywhere")
        if not table.column("valid_after").equals(table.column("recorded")):
            complaints.append(f"{file}: valid_after is not recorded everywhere")
        for name in ("batch_id", "source_batch", "sequence"):
            if table.column(name).null_count:
                complaints.append(f"{file}: {name} is null somewhere")
        columns = (plain(table, name) for name in ("unit_no", "delivery_start", "value_mw", "recorded"))
        for unit_no, start, mw, recorded in zip(*columns):
            value = hundredths(mw)
            if value is None or show_date(start) != delivery_date:
                complaints.append(f"{file}: unit {unit_no} at {start}: {mw!r}")
                continue
            starts, values, times = series.setdefault((kind, unit_no), (array("q"), array("q"), array("q")))
            starts.append(start)
            values.append(value)
            times.append(recorded)
    return series, complaints
