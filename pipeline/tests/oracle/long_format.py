"""Reading a long-format folder: files of text or Parquet cells in, typed records out.

Nothing is decided here except what a cell says. A row of `forecasts` that cannot be read in
one of its key cells stays a row (it has to be counted) but is marked unreadable; an unreadable
cell in any of the small files ends the run, as an undecodable file does.
"""

from dataclasses import dataclass
from pathlib import Path

from cells import ALWAYS, NEVER, cells_of, filled, instant_or, read_unit_key, required
from quantity import (
    DELIVERY_FROM,
    DELIVERY_TO,
    Unreadable,
    read_instant,
    read_integer,
    read_measure_unit,
    read_number,
)

KINDS = ("forecast", "actual")
LONGEST_PROVIDER = 50


@dataclass
class ForecastRow:
    """One row of `forecasts`: one value of one slot, with the batch it belongs to."""

    place: int
    batch: str
    readable: bool
    run: tuple  # what neighbouring rows of one unnamed batch have in common
    kind: str = ""
    unit: tuple = ()
    provider: str = ""
    period: int = 0
    delivery_start: int = 0
    valid_after: int = 0
    recorded: int = 0
    measure_unit: object = None  # a number of quantity.py, or the text that is none
    value: str = ""  # empty: the slot is withdrawn
    user: object = None
    note: object = None


@dataclass
class Unit:
    """A version of a unit, from `valid_from` on."""

    unit: tuple
    plant_type: str  # empty: none, as `region`
    region: str
    installed_power_mw: object
    valid_from: int
    recorded: int


@dataclass
class Membership:
    """`child` belongs to `parent` from `valid_from` until `valid_to`."""

    parent: tuple
    child: tuple
    valid_from: int
    valid_to: int
    recorded: int


@dataclass
class Property:
    unit: tuple
    key: str
    value: str
    recorded: int


@dataclass
class Lock:
    unit: tuple
    start: int
    end: int
    expires: int
    released: int
    recorded: int


@dataclass
class Withdrawal:
    batch: str
    recorded: int


@dataclass
class Folder:
    """Everything a source says, each file in its own order; `units` is None without a file."""

    rows: list
    units: object
    memberships: list
    properties: list
    locks: list
    withdrawals: list


def read_folder(path):
    """All files of a folder; a single file is `forecasts` alone."""
    path = Path(path)
    if path.is_file():
        return Folder(forecast_rows(cells_of(path)), None, [], [], [], [])
    files = sorted((file for file in path.iterdir() if file.is_file()), key=lambda file: file.name.encode())

    def named(name):
        return [file for file in files if file.name.split(".")[0] == name]

    def records(name, read):
        return [read(cells) for file in named(name) for cells in cells_of(file)]

    if not named("forecasts"):
        raise SystemExit(f"{path}: there is no forecasts file")
    return Folder(
        rows=forecast_rows(cells for file in named("forecasts") for cells in cells_of(file)),
        units=records("units", read_unit) if named("units") else None,
        memberships=records("memberships", read_membership),
        properties=records("properties", read_property),
        locks=records("locks", read_lock),
        withdrawals=records("withdrawals", read_withdrawal),
    )


def forecast_rows(table):
    """The rows of all forecast files in file order, numbered from 0."""
    return [read_forecast(place, cells) for place, cells in enumerate(table)]


def read_forecast(place, cells):
    """One row, marked unreadable when one of its key cells is."""
    run = tuple(
        or_its_text(read, cells) for read in (read_provider, read_kind, read_valid_after, read_recorded_of_save)
    )
    batch = cells.get("batch", "")
    try:
        return ForecastRow(
            place=place,
            batch=batch,
            readable=True,
            run=run,
            kind=read_kind(cells),
            unit=read_unit_key(cells),
            provider=read_provider(cells),
            period=read_integer(required(cells, "period_minutes")),
            delivery_start=read_delivery_start(cells),
            valid_after=read_valid_after(cells),
            recorded=read_recorded_of_save(cells),
            measure_unit=or_its_text(lambda cells: read_measure_unit(cells.get("measure_unit", "")), cells),
            value=required(cells, "value").strip(),
            user=cells.get("user") or None,
            note=cells.get("note") or None,
        )
    except Unreadable:
        return ForecastRow(place=place, batch=batch, readable=False, run=run)


def or_its_text(read, cells):
    """What a reader makes of the cells, or the unreadable text itself, to compare rows by."""
    try:
        return read(cells)
    except Unreadable as unreadable:
        return ("unreadable", str(unreadable))


def read_kind(cells):
    kind = cells.get("kind", "").strip().lower() or "forecast"
    if kind not in KINDS:
        raise Unreadable(kind)
    return kind


def read_provider(cells):
    provider = required(cells, "provider")
    if not 1 <= len(provider) <= LONGEST_PROVIDER:
        raise Unreadable(provider)
    return provider


def read_delivery_start(cells):
    delivery_start = read_instant(required(cells, "delivery_start"))
    if not DELIVERY_FROM <= delivery_start < DELIVERY_TO:
        raise Unreadable(str(delivery_start))
    return delivery_start


def read_valid_after(cells):
    """`valid_after`; empty, it is the batch's `recorded`."""
    return read_instant(required(cells, "valid_after" if filled(cells, "valid_after") else "recorded"))


def read_recorded_of_save(cells):
    """`recorded`; empty, it is `valid_after`."""
    return read_instant(required(cells, "recorded" if filled(cells, "recorded") else "valid_after"))


def read_recorded(cells):
    """`recorded` of the small files; empty, it stands before everything."""
    return instant_or(cells, "recorded", ALWAYS)


def read_unit(cells):
    power = cells.get("installed_power_mw", "").strip()
    return Unit(
        unit=read_unit_key(cells),
        plant_type=cells.get("plant_type", "").strip(),
        region=cells.get("region", "").strip(),
        installed_power_mw=read_number(power) if power else None,
        valid_from=instant_or(cells, "valid_from", ALWAYS),
        recorded=read_recorded(cells),
    )


def read_membership(cells):
    return Membership(
        parent=read_unit_key(cells, "parent_type", "parent_no"),
        child=read_unit_key(cells, "child_type", "child_no"),
        valid_from=instant_or(cells, "valid_from", ALWAYS),
        valid_to=instant_or(cells, "valid_to", NEVER),
        recorded=read_recorded(cells),
    )


def read_property(cells):
    return Property(
        read_unit_key(cells), required(cells, "key").strip(), required(cells, "value").strip(), read_recorded(cells)
    )


def read_lock(cells):
    return Lock(
        unit=read_unit_key(cells),
        start=instant_or(cells, "from", ALWAYS),
        end=instant_or(cells, "to", NEVER),
        expires=instant_or(cells, "expires", NEVER),
        released=instant_or(cells, "released", NEVER),
        recorded=read_recorded(cells),
    )


def read_withdrawal(cells):
    return Withdrawal(required(cells, "batch"), read_recorded(cells))
