"""Hand-made cases, a rule each, that the oracle has to get right before it may judge anybody.

python -m unittest discover -s pipeline/tests/oracle      (needs pyarrow)
"""

import csv
import tempfile
import unittest
from fractions import Fraction
from pathlib import Path

from latest import counts, latest
from long_format import read_folder
from quantity import (
    HOUR,
    KWH,
    MWH,
    MW,
    Unreadable,
    read_instant,
    read_measure_unit,
    read_number,
    round_to_digits,
    show_instant,
    show_mw,
    to_hundredths,
)
from saving import Rules, save_folder

DAY = "2024-05-02T"


def save(batch, value, at="00:00", valid="", recorded="2024-05-01T00:00:00Z", **cells):
    """A row of `forecasts`; `at` is the time of delivery on 2 May 2024."""
    start = f"{DAY}{at}:00Z"
    row = {"unit_type": "PP", "unit_no": 1, "provider": "P", "kind": "forecast", "valid_after": valid}
    row |= {
        "recorded": recorded,
        "delivery_start": start,
        "period_minutes": 60,
        "measure_unit": "MW",
        "value": value,
        "batch": batch,
    }
    return row | cells


def on(day, time="00:00"):
    """An instant in May 2024."""
    return f"2024-05-{day:02d}T{time}:00Z"


def books_of(rows, enforce="", digits=None, unchecked=False, **files):
    """Write the rows and the small files as CSV, and take them in."""
    with tempfile.TemporaryDirectory() as folder:
        for name, records in ({"forecasts": rows} | files).items():
            columns = list(dict.fromkeys(column for record in records for column in record))
            with open(Path(folder) / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
                lines = csv.DictWriter(file, columns, restval="")
                lines.writeheader()
                lines.writerows(records)
        rules = Rules(frozenset(enforce.split(",")) - {""}, digits, unchecked)
        return save_folder(read_folder(folder), rules)


def shown(books, valid_at=None, known_at=None):
    """{(hour, source batch): value in MW} of the rows of `latest`."""
    valid_at, known_at = (read_instant(text) if text else None for text in (valid_at, known_at))
    rows = latest(books, valid_at, known_at)
    return [
        (show_instant(row.delivery_start)[11:16], show_mw(row.value).rstrip("0").rstrip("."), row.source_batch)
        for row in rows
    ]


class Quantities(unittest.TestCase):
    def test_numbers(self):
        for text, number in (
            ("1e3", 1000),
            ("+5", 5),
            (" -2.50 ", Fraction(-5, 2)),
            ("0e99999999999", 0),
            (".5", Fraction(1, 2)),
        ):
            self.assertEqual(read_number(text), number)
        self.assertGreater(read_number("1e999999999"), 10**300)
        self.assertLess(read_number("-" + "9" * 5000), -(10**300))
        for text in ("", "abc", "NaN", "inf", "1,5", "1e", ".", "1_0", "--1", "٣"):
            self.assertRaises(Unreadable, read_number, text)

    def test_rounding_is_half_away_from_zero_and_once(self):
        self.assertEqual(to_hundredths(read_number("0.000005"), MW, 60), 1)
        self.assertEqual(to_hundredths(read_number("-0.000005"), MW, 60), -1)
        self.assertEqual(to_hundredths(read_number("0.0000049999"), MW, 60), 0)
        self.assertEqual(round_to_digits(read_number("-1.005"), 2), Fraction(-101, 100))
        self.assertEqual(to_hundredths(read_number("2.5"), MWH, 15), 1_000_000)
        self.assertEqual(to_hundredths(read_number("0.001"), KWH, 5), 1)  # 0.012 kW

    def test_instants(self):
        self.assertEqual(read_instant("2024-05-01T03:00:00.000001+03:00"), read_instant(on(1)) + 1)
        self.assertEqual(show_instant(read_instant("1969-12-31T23:59:59.5Z")), "1969-12-31T23:59:59.5Z")
        self.assertEqual(read_instant("1970-01-01T00:00:00-05:30"), 5.5 * HOUR)
        for text in ("2024-05-01T00:00:00", "2024-02-30T00:00:00Z", "2024-05-01", "soon"):
            self.assertRaises(Unreadable, read_instant, text)

    def test_measure_units(self):
        self.assertEqual([read_measure_unit(text) for text in ("", "kW", "MWH", " 2 ")], [1, 0, 3, 2])
        self.assertRaises(Unreadable, read_measure_unit, "GW")


class Winners(unittest.TestCase):
    def test_greatest_valid_after_then_sequence_wins(self):
        rows = [
            save("a", 1, valid=on(1, "02:00"), recorded=on(1)),
            save("b", 2, valid=on(1, "01:00"), recorded=on(1, "03:00")),
        ]
        self.assertEqual(shown(books_of(rows)), [("00:00", "1", "a")])
        rows.append(save("c", 3, valid=on(1, "02:00"), recorded=on(1, "03:00")))
        books = books_of(rows)
        self.assertEqual(shown(books), [("00:00", "3", "c")])
        self.assertEqual(shown(books, valid_at=on(1, "01:30")), [("00:00", "2", "b")])
        self.assertEqual(shown(books, known_at=on(1, "02:59")), [("00:00", "1", "a")])
        self.assertEqual([row.sequence for row in latest(books)], [3])

    def test_a_future_version_waits_for_the_clock(self):
        rows = [save("a", 1), save("b", 2, valid=on(3), recorded=on(1, "01:00"))]
        self.assertEqual(shown(books_of(rows)), [("00:00", "1", "a")])
        self.assertEqual(shown(books_of(rows), valid_at=on(3)), [("00:00", "2", "b")])
        later = books_of(rows, withdrawals=[{"batch": "nobody", "recorded": on(3)}])
        self.assertEqual(shown(later), [("00:00", "2", "b")])
        self.assertEqual(shown(later, known_at=on(9)), [("00:00", "2", "b")])

    def test_null_withdraws_the_slot(self):
        books = books_of([save("a", 1), save("b", "", recorded=on(1, "01:00")), save("c", "", recorded=on(1, "02:00"))])
        self.assertEqual(shown(books), [])
        self.assertEqual((books.counts["saved"], books.counts["nulls"], books.counts["skipped"]), (2, 1, 1))

    def test_confirmation_keeps_the_row_shown_and_stands_in(self):
        rows = [save("a", 1), save("b", 1, recorded=on(1, "01:00"))]
        self.assertEqual(shown(books_of(rows)), [("00:00", "1", "a")])
        books = books_of(rows, withdrawals=[{"batch": "a", "recorded": on(1, "02:00")}])
        self.assertEqual(shown(books), [("00:00", "1", "b")])
        self.assertEqual(shown(books, known_at=on(1, "01:59")), [("00:00", "1", "a")])
        unchecked = books_of(rows, unchecked=True)
        self.assertEqual((shown(unchecked), unchecked.counts["saved"]), ([("00:00", "1", "b")], 2))

    def test_existing_looks_at_its_own_valid_after(self):
        rows = [save("a", 1, valid=on(1, "01:00")), save("b", 2, valid=on(1, "03:00"), recorded=on(1, "04:00"))]
        rows.append(save("c", 1, valid=on(1, "02:00"), recorded=on(1, "05:00")))
        rows.append(save("d", 3, valid=on(1, "00:30"), recorded=on(1, "06:00")))
        books = books_of(rows)
        self.assertEqual((books.counts["saved"], books.counts["skipped"], books.counts["restated"]), (3, 1, 1))


class Refusals(unittest.TestCase):
    def refused(self, *arguments, **files):
        return counts(books_of(*arguments, **files))["refused"]

    def test_whole_batches(self):
        self.assertEqual(self.refused([save("a", 1), save("a", 1, at="01:00", kind="actual")]), {"MIXED_BATCH": 2})
        self.assertEqual(self.refused([save("a", 1), save("a", 1, at="01:00", measure_unit="1")]), {})
        self.assertEqual(
            self.refused([save("a", 1), save("a", "x", at="00:30", period_minutes=20)]), {"PERIOD_NOT_ALLOWED": 2}
        )
        self.assertEqual(
            self.refused([save("a", 1, measure_unit="GW", unit_no="x"), save("a", 1)]), {"INVALID_VALUE": 1}
        )
        self.assertEqual(self.refused([save("a", 1, measure_unit="GW"), save("a", 1, unit_no=0)]), {"MEASURE_UNIT": 2})

    def test_only_batches_refused_whole_take_no_sequence(self):
        rows = [
            save("a", 1, period_minutes=7),
            save("b", "x", recorded=on(1, "01:00")),
            save("c", 1, recorded=on(1, "02:00")),
        ]
        withdrawals = [{"batch": batch, "recorded": on(2)} for batch in "ab"]
        books = books_of(rows, withdrawals=withdrawals)
        self.assertEqual(latest(books)[0].sequence, 2)
        self.assertEqual(books.counts["unknownBatches"], 2)

    def test_unreadable_key_cells(self):
        cells = ({"unit_type": "XX"}, {"unit_no": "0"}, {"provider": ""}, {"provider": "x" * 51}, {"kind": "plan"})
        cells += ({"recorded": "soon"}, {"valid_after": "2024-05-01T00:00:00"}, {"period_minutes": "1.5"})
        cells += ({"delivery_start": "1899-12-31T00:00:00Z"}, {"delivery_start": ""})
        for cell in cells:
            self.assertEqual(self.refused([save("a", 1, at="01:00"), save("a", 1, **cell)]), {"INVALID_VALUE": 1}, cell)

    def test_order_of_the_checks_of_a_value(self):
        rows = [save("a", "x", at="00:30"), save("a", 1, at="00:30")]
        self.assertEqual(self.refused(rows), {"UNALIGNED_DELIVERY": 2})
        self.assertEqual(
            self.refused([save("a", "x"), save("a", 1), save("a", 1, at="01:00")]), {"DUPLICATE_DELIVERIES": 2}
        )
        self.assertEqual(self.refused([save("a", 1), save("a", 1, unit_no=2), save("a", 1, period_minutes=30)]), {})
        self.assertEqual(
            self.refused([save("a", "NaN", unit_no=9)], units=[{"unit_type": "PP", "unit_no": 1}]), {"INVALID_VALUE": 1}
        )
        self.assertEqual(
            self.refused([save("a", "1e7", unit_no=9)], units=[{"unit_type": "PP", "unit_no": 1}]),
            {"VALUE_OUT_OF_RANGE": 1},
        )
        rows = [save("a", "1000000.000004"), save("a", "-1000000.000005", at="01:00")]
        self.assertEqual(self.refused(rows), {"VALUE_OUT_OF_RANGE": 1})

    def test_units(self):
        units = [{"unit_type": "PP", "unit_no": 1, "valid_from": on(2, "01:00"), "recorded": on(1)}]
        rows = [save("a", 1), save("a", 1, at="01:00"), save("b", 1, at="02:00", recorded="2024-04-30T23:59:59Z")]
        self.assertEqual(self.refused(rows, units=units), {"UNKNOWN_UNIT": 2})
        self.assertEqual(self.refused([save("a", 1, kind="actual", unit_no=7)], units=units), {})

    def test_locks(self):
        lock = {"unit_type": "PP", "unit_no": 1, "from": on(2, "01:00"), "to": on(2, "03:00"), "recorded": on(1)}
        rows = [save("a", 1, at=at) for at in ("00:00", "01:00", "02:00", "03:00")] + [
            save("b", 1, at="01:00", kind="actual")
        ]
        self.assertEqual(self.refused(rows, "locks", locks=[lock]), {"LOCKED": 2})
        self.assertEqual(self.refused(rows, locks=[lock]), {})
        for over in ({"expires": on(1)}, {"released": on(1)}, {"recorded": on(1, "00:01")}, {"unit_no": 2}):
            self.assertEqual(self.refused(rows, "locks", locks=[lock | over]), {})

    def test_gates(self):
        early = [
            save("a", 1, recorded=on(1, "22:59")),
            save("b", 1, recorded=on(1, "23:00")),
            save("c", "", recorded=on(1, "23:00")),
        ]
        self.assertEqual(self.refused(early, "gates"), {"GATE_CLOSED": 2})
        market = [{"unit_type": "PP", "unit_no": 1, "key": "market", "value": "EPIAS"}]
        self.assertEqual(self.refused(early, "gates", properties=market), {"GATE_CLOSED": 3})

    def test_limits(self):
        rows = [save("a", value, at=f"{hour:02d}:00") for hour, value in enumerate((-3.1, -3, 0, 10, 10.00001, ""))]
        lower = {"unit_type": "PP", "unit_no": 1, "key": "lower_limit_mw", "value": "-3"}
        units = [{"unit_type": "PP", "unit_no": 1, "installed_power_mw": 10}]
        self.assertEqual(
            self.refused(rows, "limits", properties=[lower], units=units), {"LOWER_LIMIT": 1, "UPPER_LIMIT": 1}
        )
        upper = lower | {"key": "upper_limit_mw", "value": "20"}
        self.assertEqual(self.refused(rows, "limits", properties=[lower, upper], units=units), {"LOWER_LIMIT": 1})
        later = lower | {"value": "-9", "recorded": on(1)}
        self.assertEqual(self.refused(rows, "limits", properties=[later, lower], units=units), {"UPPER_LIMIT": 1})
        units.append(units[0] | {"installed_power_mw": 5, "valid_from": on(2, "03:00")})
        self.assertEqual(self.refused(rows, "limits", units=units), {"UPPER_LIMIT": 2})

    def test_rounding_before_conversion(self):
        row = save("a", "1.005", measure_unit="kWh", period_minutes=15)
        self.assertEqual([row.value for row in latest(books_of([row], digits=2))], [404])
        self.assertEqual([row.value for row in latest(books_of([row]))], [402])


class Batches(unittest.TestCase):
    def test_unnamed_neighbours_are_one_batch(self):
        rows = [save("", 1), save("", 1, at="01:00"), save("x", 1, at="02:00"), save("", 1, at="03:00")]
        self.assertEqual([row.sequence for row in latest(books_of(rows))], [1, 1, 2, 3])
        rows = [save("", 1), save("", 2)]
        self.assertEqual(counts(books_of(rows))["refused"], {"DUPLICATE_DELIVERIES": 2})

    def test_scattered_rows_take_the_place_of_the_first(self):
        rows = [
            save("a", 1),
            save("b", 1, at="01:00"),
            save("a", 1, at="02:00"),
            save("c", 1, at="03:00", recorded=on(1, "00:00")),
        ]
        self.assertEqual([row.sequence for row in latest(books_of(rows))], [1, 2, 1, 3])

    def test_withdrawals(self):
        rows = [save("a", 1), save("b", 2, recorded=on(1, "01:00"))]
        again = [
            {"batch": batch, "recorded": on(1, time)}
            for batch, time in (("b", "00:59"), ("b", "01:00"), ("b", "02:00"))
        ]
        books = books_of(rows, withdrawals=again)
        self.assertEqual(shown(books), [("00:00", "1", "a")])
        self.assertEqual((books.counts["withdrawnBatches"], books.counts["unknownBatches"]), (1, 1))

    def test_gates_protect_a_batch_that_wins(self):
        rows = [save("a", 1), save("b", 2, recorded=on(1, "01:00"))]
        late = [{"batch": batch, "recorded": on(1, "23:00")} for batch in "ba"]
        books = books_of(rows, "gates", withdrawals=late)
        self.assertEqual((books.counts["withdrawnBatches"], shown(books)), (1, [("00:00", "2", "b")]))
        rows[1]["valid_after"] = on(5)
        self.assertEqual(books_of(rows, "gates", withdrawals=late).counts["withdrawnBatches"], 0)

    def test_export_order(self):
        rows = [
            save(name, 1, at=at, **cells)
            for name, at, cells in (
                ("a", "00:00", {"unit_no": 10}),
                ("b", "23:00", {"unit_no": 2}),
                ("c", "00:00", {"kind": "actual"}),
                ("d", "00:00", {"delivery_start": on(3), "unit_no": 1}),
                ("e", "00:00", {"unit_type": "CMP", "unit_no": 99}),
            )
        ]
        self.assertEqual([row.source_batch for row in latest(books_of(rows))], ["c", "e", "b", "a", "d"])


if __name__ == "__main__":
    unittest.main()
