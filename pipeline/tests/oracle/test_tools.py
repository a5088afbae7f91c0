"""The commands around the oracle: the generator, the comparison with an export, the EIA files.

The comparison is tried on exports made from the oracle's own rows, whole and spoiled; the EIA
reading is tried against the general oracle on the same cells in long format.
"""

import contextlib
import csv
import gzip
import io
import json
import tempfile
import unittest
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import compare
import eia
import exported
from latest import counts, latest
from long_format import read_folder
from quantity import HUNDREDTHS_PER_UNIT, HOUR, MW, read_instant, show_date, show_instant
from random_folder import write_folder
from resolved import resolved
from saving import Rules, save_folder
from totals import totals

INSTANT = pa.timestamp("us", "UTC")
TYPES = {name: pa.int64() for name in exported.INTEGERS} | {name: pa.float64() for name in exported.FLOATS}
TYPES |= {name: INSTANT for name in exported.INSTANTS}

FILES = {
    "release_2019_Oct": {
        "AB": ("MISSING,5", "10,6", "11,EMPTY", "139740500,8"),
        "B": ("1,1", "2,2", "3,3", "4,4"),
    },
    "release_2020_Oct": {
        "AB": ("9,5", "10,-1000001", "EMPTY,7", "12,8"),
        "B": ("1,1", "EMPTY,MISSING", "5,3", "-2000000,4"),
    },
    "release_2025_Jan": {
        "A-B": ("7", "8", "9", "2147480000"),
        "AB": ("9", "1", "MISSING", "12"),
        "B": ("1", "2", "3", "4"),
    },
}


def export(rows, out, view="latest"):
    """Rows of the oracle as the platform would export them."""
    parts = {}
    for row in rows:
        parts.setdefault((row.kind, show_date(row.delivery_start)), []).append(row)
    for (kind, date), part in parts.items():
        folder = Path(out) / view / f"kind={kind}" / f"delivery_date={date}"
        folder.mkdir(parents=True)
        columns = {name: [getattr(row, name, None) for row in part] for name in exported.VIEWS[view][0]}
        columns["value_mw"] = [row.value and row.value / HUNDREDTHS_PER_UNIT[MW] for row in part]
        if view == "latest":
            columns["batch_id"] = [str(uuid.UUID(int=row.sequence)) for row in part]
        arrays = {name: pa.array(cells, TYPES.get(name, pa.string())) for name, cells in columns.items()}
        table = pa.table(arrays).replace_schema_metadata({name: "0" for name in exported.METADATA})
        pq.write_table(table, folder / "part-0.parquet")


def write_vintages(folder):
    """Three releases of four hours, with the words and the garbage of the real ones."""
    for release, files in FILES.items():
        (folder / release).mkdir()
        for code, cells in files.items():
            lines = ["date_time,demand (MW)" + ",forecast demand (MW)" * cells[0].count(",")]
            lines += [f"2020-01-01 {hour:02d}:00:00,{cell}" for hour, cell in enumerate(cells)]
            (folder / release / f"{code}.csv.gz").write_bytes(gzip.compress("\r\n".join(lines).encode()))


def write_long_format(folder):
    """The same cells as saves; a save has one kind, so that each file is two of them."""
    codes = ["A-B", "AB", "B"]
    with open(folder / "forecasts.csv", "w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(
            "unit_type unit_no provider kind valid_after recorded delivery_start period_minutes measure_unit value batch".split()
        )
        for release, files in FILES.items():
            recorded = show_instant(eia.QUERIED[release[8:12]])
            for code, rows in files.items():
                for column, kind in list(enumerate(eia.KINDS))[: rows[0].count(",") + 1]:
                    for hour, cells in enumerate(rows):
                        start = show_instant(read_instant("2019-12-31T23:00:00Z") + hour * HOUR)
                        value = cells.split(",")[column].replace("MISSING", "").replace("EMPTY", "")
                        slot = ("PP", codes.index(code) + 1, "EIA", kind, recorded, recorded, start, 60, 1, value)
                        lines.writerow(slot + (f"{release[8:12]}/{code}/{kind}",))


class RandomFolders(unittest.TestCase):
    def test_each_seed_is_a_folder_whose_counts_add_up(self):
        for seed in range(12):
            with tempfile.TemporaryDirectory() as out, tempfile.TemporaryDirectory() as again:
                draw = {"size": 20, "edge": seed % 4 == 0, "hierarchy": seed % 3 == 0}
                flags = write_folder(seed, Path(out), **draw)
                self.assertEqual(write_folder(seed, Path(again), **draw), flags)
                for file in Path(out).iterdir():
                    self.assertEqual(file.read_bytes(), (Path(again) / file.name).read_bytes())
                rules = Rules(frozenset(flags["enforce"].split(",")), flags["round"], flags["skip_existing_check"])
                books = save_folder(read_folder(out), rules)
                found = counts(books)
                self.assertEqual(found["read"], found["saved"] + found["skipped"] + sum(found["refused"].values()))
                self.assertEqual(sum(map(len, books.slots.values())), found["saved"] + found["skipped"])


class Comparison(unittest.TestCase):
    def run_compare(self, *arguments):
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                compare.main([str(argument) for argument in arguments])
        except SystemExit as end:
            return end.code, printed.getvalue()
        return 0, printed.getvalue()

    def test_equal_and_spoiled_exports(self):
        with tempfile.TemporaryDirectory() as scratch:
            folder, out, bad, line = (Path(scratch) / name for name in ("folder", "out", "bad", "counts.json"))
            flags = write_folder(7, folder)
            books = save_folder(read_folder(folder), Rules())
            known_at = flags["known_at"][-1]
            rows = latest(books, known_at=read_instant(known_at))
            export(rows, out)
            line.write_text("words\n" + json.dumps(counts(books) | {"seconds": 1}) + "\n")
            same = self.run_compare(folder, out, "--known-at", known_at, "--counts", line)
            self.assertEqual(same, (0, "0 differences\n"))
            rows[0].value += 1
            rows[1].recorded += 1
            export(rows[:-1], bad)
            code, printed = self.run_compare(folder, bad, "--known-at", known_at)
            self.assertEqual((code, len(printed.splitlines())), (1, 4))
            self.assertIn(f"value {rows[0].value - 1}, {rows[0].value}", printed)
            line.write_text(json.dumps(counts(books) | {"saved": 0, "refused": {"LOCKED": 1}}))
            code, printed = self.run_compare(folder, "--counts", line)
            self.assertIn("saved: expected", printed)
            self.assertIn("refused LOCKED: expected 0, found 1", printed)
            self.assertEqual(code, 1)

    def test_views_at_periods(self):
        with tempfile.TemporaryDirectory() as scratch:
            folder, each = Path(scratch) / "folder", Path(scratch) / "each"
            flags = write_folder(6, folder, hierarchy=True)
            books = save_folder(read_folder(folder), Rules())
            lines = []
            for view, rows_of in (("resolved", resolved), ("totals", totals)):
                for period in flags["periods"]:
                    rows, out = rows_of(books, None, None, period, 0.5), Path(scratch) / f"{view}{period}"
                    export(rows, out, view)
                    lines.append([str(out), "--view", view, "--completeness", 0.5])
                    lines[-1] += ["--period", period] if period else []
                self.assertIn(None, [row.value for row in rows])
                self.assertEqual(self.run_compare(folder, *lines[-1]), (0, "0 differences\n"))
            each.write_text("\n".join(map(json.dumps, lines)))
            self.assertEqual(self.run_compare(folder, "--each", each), (0, "0 differences\n"))
            self.assertEqual(self.run_compare(folder, *lines[-1], "--provider", "nobody")[0], 1)
            begin, end = show_instant(rows[3].delivery_start), show_instant(rows[3].delivery_start + 1)
            kept = [row for row in rows if row.delivery_start == rows[3].delivery_start]
            export(kept, Path(scratch) / "part", view)
            part = (folder, Path(scratch) / "part", *lines[-1][1:], "--from", begin, "--to", end)
            self.assertEqual(self.run_compare(*part), (0, "0 differences\n"))
            rows[0].members += 1
            rows[1].coverage /= 2
            export(rows[:-1], Path(scratch) / "bad", view)
            code, printed = self.run_compare(folder, Path(scratch) / "bad", *lines[-1][1:])
            self.assertEqual((code, len(printed.splitlines())), (1, 4))
            self.assertIn(f"members {rows[0].members - 1}, {rows[0].members}", printed)

    def test_batch_ids(self):
        def row(sequence, batch_id):
            return exported.ExportedRow(
                exported.LatestRow("actual", "PP", 1, "P", 5, 0, 0, 0, 0, sequence, None, None, None), batch_id, ""
            )

        self.assertEqual(list(compare.differences_of_ids([row(1, "a"), row(2, "b"), row(1, "a")])), [])
        for spoiled in ([row(1, None)], [row(1, "a"), row(1, "b")], [row(1, "a"), row(2, "a")]):
            self.assertEqual(len(list(compare.differences_of_ids(spoiled))), 1)


class EiaVintages(unittest.TestCase):
    def test_agrees_with_the_general_oracle(self):
        with tempfile.TemporaryDirectory() as scratch:
            vintages, folder, rows_file = (Path(scratch) / name for name in ("vintages", "folder", "rows.parquet"))
            vintages.mkdir(), folder.mkdir()
            write_vintages(vintages)
            write_long_format(folder)
            books = save_folder(read_folder(folder), Rules())
            for known_at in (
                "2019-09-09T00:00:00Z",
                "2019-09-10T00:00:00Z",
                "2021-01-01T00:00:00Z",
                "2026-01-01T00:00:00Z",
            ):
                rows = latest(books, known_at=read_instant(known_at))
                out = Path(scratch) / known_at
                export(rows, out)
                (out / "latest").mkdir(parents=True, exist_ok=True)
                answer = eia.run(vintages, "2019,2020,2025", read_instant(known_at), rows_file, compare=out)
                self.assertEqual(answer, (counts(books), []))
                self.assertEqual(pq.read_table(rows_file).num_rows, len(rows))
            self.assertEqual(counts(books)["refused"], {"VALUE_OUT_OF_RANGE": 4})


if __name__ == "__main__":
    unittest.main()
