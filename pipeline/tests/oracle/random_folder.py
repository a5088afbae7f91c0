"""Writes a small, nasty long-format folder from a seed, to be replayed by the platform and the oracle.

    random_folder.py SEED OUT [--size SAVES] [--edge] [--hierarchy] [--format csv|parquet]

The same seed gives the same folder. Prints, as JSON, flags worth trying on it: instants for
--valid-at and --known-at, rules to enforce, digits to round to, periods (null: none) and a least
coverage for reads of totals and resolved curves. --hierarchy makes more plants, which change
hands, region and type. --edge adds what neither the contract nor the interface decides
(unreadable rows in unnamed batches, batches of unreadable rows alone, first rows that are
unreadable, notes that differ inside a batch).
"""

import argparse
import json
import random
import sys
from pathlib import Path

from folder_files import CsvFile, ParquetFile
from long_format import read_forecast
from quantity import DAY, HOUR, show_instant
from random_batches import BAD_CELLS, make_world, rows_of_save
from random_hierarchy import hierarchy_files, periods_to_ask, widen

FORECAST_COLUMNS = ["unit_type", "unit_no", "provider", "kind", "valid_after", "recorded", "delivery_start"]
FORECAST_COLUMNS += ["period_minutes", "measure_unit", "value", "batch"]
UNIT_COLUMNS = ["unit_type", "unit_no", "name", "plant_type", "installed_power_mw", "zone", "region"]
MEMBERSHIP_COLUMNS = ["parent_type", "parent_no", "child_type", "child_no", "valid_from", "valid_to"]
PROPERTY_COLUMNS = ["unit_type", "unit_no", "key", "value"]
LOCK_COLUMNS = ["unit_type", "unit_no", "from", "to", "reason", "expires", "released"]
NAMES = ("Akköprü HES", "Soma", "Île-de-Sein", "Ṣırnak RES, 2", "Unit \"7\"")
POWERS = ("10", "10.00001", "2.5", "0", "", "50")


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=40, metavar="SAVES")
    parser.add_argument("--edge", action="store_true")
    parser.add_argument("--hierarchy", action="store_true")
    parser.add_argument("--format", choices=("csv", "parquet"), help="default: by seed")
    options = parser.parse_args(arguments)
    flags = write_folder(options.seed, options.out, options.size, options.edge, options.format, options.hierarchy)
    print(json.dumps(flags))


def write_folder(seed, out, size=40, edge=False, file_format=None, hierarchy=False):
    """Write all files; the flags to try."""
    rng = random.Random(seed)
    out.mkdir(parents=True, exist_ok=True)
    drawn = rng.choice(("csv", "csv", "parquet"))
    kind_of_file = {"csv": CsvFile, "parquet": ParquetFile}[file_format or drawn]
    world = make_world(rng, edge, size)
    if hierarchy:
        widen(world)
    rows = lay_out(world, [rows_of_save(world, number) for number in range(size)])
    optional = [name for name in ("user", "note") if rng.random() < 0.6]
    columns = FORECAST_COLUMNS + optional
    if rng.random() < 0.3:
        rng.shuffle(columns)
    for name, part in parts(world, rows):
        kind_of_file(rng, columns).write(out / name, part)
    units = sorted({unit for _, unit, _, _ in world.series})
    if hierarchy:
        for name, columns, records in hierarchy_files(world):
            write_records(world, kind_of_file, out / name, columns, records)
    elif rng.random() < 0.6:
        records = units_of(world, units)
        listed = {(record["unit_type"], int(record["unit_no"])) for record in records}
        known = [unit for unit in units if unit in listed]
        write_records(world, kind_of_file, out / "units", UNIT_COLUMNS + ["valid_from"], records)
        if rng.random() < 0.5:
            write_records(world, kind_of_file, out / "memberships", MEMBERSHIP_COLUMNS, memberships_of(world, known))
    if rng.random() < 0.7:
        write_records(world, kind_of_file, out / "properties", PROPERTY_COLUMNS, properties_of(world, units))
    if rng.random() < 0.7:
        write_records(world, kind_of_file, out / "locks", LOCK_COLUMNS, locks_of(world, units))
    if rng.random() < 0.8:
        kind_of_file(rng, ["batch", "recorded"]).write(out / "withdrawals", withdrawals_of(world, rows, size))
    return flags_to_try(world)


def write_records(world, kind_of_file, path, columns, records):
    """A small file; its column `recorded` is optional."""
    columns = columns + (["recorded"] if world.rng.random() < 0.7 else [])
    kind_of_file(world.rng, columns).write(path, records)


def lay_out(world, saves):
    """The rows of all saves in the order of the file."""
    rng = world.rng
    mode = rng.choice(("as drawn", "by recorded", "shuffled", "dealt"))
    if mode == "by recorded":
        saves = sorted(saves, key=lambda save: (save[0]["recorded"] if isinstance(save[0]["recorded"], int) else 0))
    rows = [row for save in saves for row in save]
    if mode == "shuffled":
        rng.shuffle(rows)
    elif mode == "dealt":  # several saves at a time, row by row
        rows = []
        for first in range(0, len(saves), 3):
            hands = [list(save) for save in saves[first : first + 3]]
            while any(hands):
                rows.append(rng.choice([hand for hand in hands if hand]).pop(0))
    return rows if world.edge else with_readable_heads(rows)


def is_readable(row):
    """Whether the row survives in CSV and in Parquet alike, where a bad cell becomes an empty one."""
    spoiled = any(row[column] in bad and row[column] != "" for column, bad in BAD_CELLS.items())
    return not spoiled and read_forecast(0, row).readable


def with_readable_heads(rows):
    """Each named batch begins with a readable row; one that has none is left out."""
    first, answer = {}, []
    for row in rows:
        place = first.get(row["batch"])
        if row["batch"] and place is None:
            first[row["batch"]] = len(answer)
        elif row["batch"] and is_readable(row) and not is_readable(answer[place]):
            row, answer[place] = answer[place], row
        answer.append(row)
    lost = {name for name, place in first.items() if not is_readable(answer[place])}
    return [row for row in answer if row["batch"] not in lost]


def parts(world, rows):
    """Mostly one file; else two, parted where no unnamed batch goes across."""
    places = [place for place in range(1, len(rows)) if world.edge or rows[place]["batch"]]
    if not places or world.rng.random() > 0.15:
        return [("forecasts", rows)]
    place = world.rng.choice(places)
    return [("forecasts.1", rows[:place]), ("forecasts.2", rows[place:])]


def sometimes(world, instant, share=0.5):
    return instant if world.rng.random() < share else ""


def draw_recorded(world):
    return sometimes(world, world.rng.choice(world.recorded_pool))


def units_of(world, units):
    """Most units, with versions; one may be left out, one may begin late."""
    rng = world.rng
    records = []
    for unit in units:
        if rng.random() < 0.1:
            continue
        for version in range(rng.choice((1, 1, 2, 3))):
            valid_from = world.first_day + rng.choice((0, 1, 1, 2, 3)) * DAY + rng.choice((0, 9)) * HOUR
            record = {"unit_type": unit[0], "unit_no": str(unit[1]), "name": rng.choice(NAMES), "plant_type": "wind"}
            record |= {
                "zone": "Europe/Istanbul",
                "region": rng.choice(("", "Ege")),
                "installed_power_mw": rng.choice(POWERS),
            }
            late = version > 0 or rng.random() < 0.2
            records.append(record | {"valid_from": valid_from if late else "", "recorded": draw_recorded(world)})
    rng.shuffle(records)
    return records or [{"unit_type": "PP", "unit_no": "1", "name": "only", "zone": "Europe/Istanbul", "recorded": ""}]


def memberships_of(world, units):
    """Plants in companies; only their `recorded` matters here, to the clock."""
    records = []
    for child in [unit for unit in units if unit[0] == "PP"]:
        for parent in [unit for unit in units if unit[0] == "CMP"]:
            record = {"parent_type": "CMP", "parent_no": str(parent[1]), "child_type": "PP", "child_no": str(child[1])}
            begin = world.first_day + world.rng.randrange(5) * DAY
            records.append(
                record | {"valid_from": sometimes(world, begin), "valid_to": "", "recorded": draw_recorded(world)}
            )
    return records


def properties_of(world, units):
    """Limits at values of the palette, and markets; later rows replace earlier ones."""
    rng = world.rng
    choices = {"lower_limit_mw": ("-3", "0", "1.00"), "upper_limit_mw": ("10", "9.99999", "12.34567")}
    choices["market"] = ("EPIAS", "none")
    records = []
    for unit in [unit for unit in units if unit[0] != "GRP"]:
        for key in rng.sample(sorted(choices), rng.randint(0, 3)):
            for _ in range(rng.choice((1, 1, 2))):
                record = {"unit_type": unit[0], "unit_no": str(unit[1]), "key": key, "value": rng.choice(choices[key])}
                records.append(record | {"recorded": draw_recorded(world)})
    return records


def locks_of(world, units):
    rng = world.rng
    records = []
    for _ in range(rng.randint(1, 5)):
        unit = rng.choice(units)
        begin = world.first_day + rng.randrange(4) * DAY + rng.choice((0, 6)) * HOUR
        record = {"unit_type": unit[0], "unit_no": str(unit[1]), "reason": rng.choice(("", "bakım", "audit"))}
        record |= {"from": begin, "to": begin + rng.choice((1, 12, 30)) * HOUR, "recorded": draw_recorded(world)}
        record |= {name: sometimes(world, rng.choice(world.recorded_pool), 0.3) for name in ("expires", "released")}
        records.append(record)
    return records


def withdrawals_of(world, rows, size):
    """Known and unknown batches, some twice, some before they were saved."""
    rng = world.rng
    names = sorted({row["batch"] for row in rows} - {""})
    chosen = [rng.choice(names + ["nobody"]) for _ in range(1 + size // 8)]
    chosen += rng.sample(chosen, len(chosen) // 2) + ["no such batch"] * rng.randint(0, 1)
    late = world.recorded_pool[len(world.recorded_pool) // 2 :]
    return [{"batch": name, "recorded": rng.choice(rng.choice((world.recorded_pool, late)))} for name in chosen]


def flags_to_try(world):
    rng = world.rng
    pool = world.recorded_pool
    instants = [rng.choice(pool), rng.choice(pool) - 1, rng.choice(pool) + HOUR, pool[0] - 1, pool[-1] + 40 * DAY]
    rng.shuffle(instants)
    return {
        "valid_at": [show_instant(instant) for instant in instants[:2]],
        "known_at": [show_instant(instant) for instant in instants[2:]],
        "enforce": ",".join(name for name in ("gates", "limits", "locks") if rng.random() < 0.5),
        "round": rng.choice((None, None, 2, 0, 3)),
        "skip_existing_check": rng.random() < 0.15,
        "periods": periods_to_ask(rng),
        "completeness": rng.choice((None, 0.25, 0.5, 1)),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
