"""Computes what exports of replayed public data must say straight from the files, and compares.

    published.py rts DATASETS OUT       OUT/totals at 60 minutes, provider DayAhead
    published.py elexon DATASETS OUT    OUT/resolved at 30 minutes, measured in MW
    published.py eia DATASETS OUT       OUT/totals and OUT/latest: US48 against its 13 regions
    published.py eia-parents FOLDER DATASETS   writes the folder that makes the regions a company

Sums are exact: decimals become integers of hundredths of a kW, segments become fractions. Prints
what differs, or the figures, and exits 1 when anything differs.
"""

import csv
import gzip
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pyarrow.parquet as pq

PER_MW = 100_000
REGIONS = "CAL CAR CENT FLA MIDA MIDW NE NW NY SE SW TEN TEX".split()
FILES = ("wind", "pv", "rtpv", "hydro", "Natural_Inflow")


def rts(datasets, out):
    """Day-ahead sums by area, by plant type and of all, an hour."""
    root = Path(datasets) / "rts_gmlc"
    with open(root / "bus.csv", newline="") as file:
        area_of_bus = {row["Bus ID"]: row["Area"] for row in csv.DictReader(file)}
    with open(root / "gen.csv", newline="") as file:
        plants = {row["GEN UID"]: row for row in csv.DictReader(file)}
    expected = defaultdict(int)
    reporting = defaultdict(set)
    for name in FILES:
        with open(root / f"DAY_AHEAD_{name}.csv", newline="") as file:
            for row in csv.DictReader(file):
                date = [int(row.pop(word)) for word in ("Year", "Month", "Day")]
                start = datetime(*date, tzinfo=UTC) + timedelta(hours=7 + int(row.pop("Period")) - 1)
                for plant, cell in row.items():
                    # Written differently in one file.
                    described = plants.get(plant) or plants[plant.replace("Natural_Inflow_", "")]
                    value = int(Decimal(cell) * PER_MW)
                    for key in (
                        ("all", "all"),
                        ("region", area_of_bus[described["Bus ID"]]),
                        ("company", area_of_bus[described["Bus ID"]]),
                        ("plant_type", described["Unit Type"].lower()),
                    ):
                        expected[(*key, start)] += value
                        reporting[(*key, start)].add(described["GEN UID"])
    found, counts = {}, {}
    for row in rows(Path(out) / "totals"):
        key = (row["dimension"], row["key"], row["delivery_start"])
        found[key] = round(row["value_mw"] * PER_MW)
        counts[key] = row["reporting"]
    compare(expected, found)
    compare({key: len(plants) for key, plants in reporting.items()}, counts)


def elexon(datasets, out):
    """Average power of every unit and settlement period, by exact integration."""
    root = Path(datasets) / "elexon_bmu_pn"
    energy = defaultdict(Fraction)  # MW times seconds
    with open(root / "fpn.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["recordType"] == "PN" and row["activeFlag"] == "Y":
                times = [instant(row["timeFrom"]), instant(row["timeTo"])]
                integrate(energy, row["bmUnitID"], *times, row["pnLevelFrom"], row["pnLevelTo"])
    for row in pq.read_table(root / "fpn.parquet").to_pylist():
        if row["recordType"] == "PN" and row["activeFlag"] == "Y":
            times = [row["timeFrom"].replace(tzinfo=UTC), row["timeTo"].replace(tzinfo=UTC)]
            integrate(energy, row["unit"], *times, repr(row["levelFrom"]), repr(row["levelTo"]))
    names = {name: rank for rank, name in enumerate(sorted({name for name, _ in energy}, key=str.encode), 1)}
    expected = {
        (names[name], start): half_away(value * PER_MW / 1_800) for (name, start), value in energy.items()
    }
    found = {
        (row["unit_no"], row["delivery_start"]): round(row["value_mw"] * PER_MW)
        for row in rows(Path(out) / "resolved")
    }
    compare(expected, found)


def integrate(energy, unit, start, end, first, last):
    """Adds a straight line to the half hours it crosses: trapezoids between their edges."""
    first, last = Fraction(first), Fraction(last)
    length = Fraction((end - start).total_seconds())

    def level(at):
        return first + (last - first) * Fraction((at - start).total_seconds()) / length

    at = start
    while at < end:
        slot = at.replace(minute=at.minute // 30 * 30, second=0, microsecond=0)
        edge = min(end, slot + timedelta(minutes=30))
        energy[unit, slot] += (level(at) + level(edge)) / 2 * Fraction((edge - at).total_seconds())
        at = edge


def eia(datasets, out):
    """The share of the hours of a release in which 13 regions add up to US48, as metered."""
    parts = {
        row["delivery_start"]: (round(row["value_mw"] * PER_MW), row["members"])
        for row in rows(Path(out) / "totals" / "kind=actual")
        if (row["dimension"], row["key"]) == ("company", "48")
    }
    number = rank("US48", datasets)
    whole = {
        row["delivery_start"]: round(row["value_mw"] * PER_MW)
        for row in rows(Path(out) / "latest" / "kind=actual")
        if row["unit_no"] == number
    }
    file = Path(datasets) / "eia930_vintages" / "release_2020_Oct" / "US48.csv.gz"
    hours = len(gzip.decompress(file.read_bytes()).splitlines()) - 1
    equal = sum(parts.get(start, (None,))[0] == value for start, value in whole.items())
    print(f"{equal} of {hours} hours agree: {100 * equal / hours:.3f} %")
    if {members for _, members in parts.values()} != {13} or round(100 * equal / hours, 2) != 99.99:
        raise SystemExit("PROVENANCE says 99.99 %")


def eia_parents(folder, datasets):
    """Units, memberships and one row of a forecast that make the 13 regions company 48."""
    names = {code: rank(code, datasets) for code in REGIONS}
    Path(folder).mkdir(parents=True)
    with open(Path(folder) / "units.csv", "w", newline="") as file:
        units = csv.writer(file)
        units.writerow(["unit_type", "unit_no", "name"])
        units.writerow(["CMP", 48, "US48"])
        units.writerows([["PP", number, code] for code, number in names.items()])
    with open(Path(folder) / "memberships.csv", "w", newline="") as file:
        members = csv.writer(file)
        members.writerow(["parent_type", "parent_no", "child_type", "child_no", "valid_from", "valid_to"])
        members.writerows([["CMP", 48, "PP", number, "", ""] for number in names.values()])
    with open(Path(folder) / "forecasts.csv", "w", newline="") as file:
        saves = csv.writer(file)
        saves.writerow(
            "unit_type unit_no provider kind valid_after recorded delivery_start period_minutes measure_unit value batch".split()
        )
        saves.writerow(["CMP", 48, "Desk", "", "2015-01-01T00:00Z", "", "2015-01-01T00:00Z", 60, "MW", 1, "first"])


def rank(code, datasets):
    """The number of a code: its rank among the codes of all releases."""
    files = (Path(datasets) / "eia930_vintages").glob("release_*/*.csv.gz")
    names = {file.name.split(".")[0] for file in files}
    return sorted(names, key=str.encode).index(code) + 1


def rows(view):
    for file in sorted(Path(view).rglob("*.parquet")):
        yield from pq.ParquetFile(file).read().to_pylist()


def instant(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def half_away(value):
    doubled = abs(value) * 2
    whole = (doubled.numerator // doubled.denominator + 1) // 2
    return whole if value >= 0 else -whole


def compare(expected, found):
    differences = [
        f"{key}: expected {expected.get(key)}, found {found.get(key)}"
        for key in sorted(expected.keys() | found.keys(), key=str)
        if expected.get(key) != found.get(key)
    ]
    for difference in differences[:20]:
        print(difference)
    print(f"{len(differences)} differences in {len(expected)}")
    if differences or not expected:
        raise SystemExit(1)


if __name__ == "__main__":
    {"rts": rts, "elexon": elexon, "eia": eia, "eia-parents": eia_parents}[sys.argv[1]](*sys.argv[2:])
