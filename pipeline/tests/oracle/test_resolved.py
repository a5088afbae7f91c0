"""Hand-made cases of `resolved`, and what has to hold of any folder.

python -m unittest discover -s pipeline/tests/oracle      (needs pyarrow)
"""

import tempfile
import unittest
from pathlib import Path

from long_format import read_folder
from quantity import read_instant, show_instant, show_mw
from random_folder import write_folder
from resolved import resolved
from saving import Rules, save_folder
from test_oracle import books_of, on, save


def mw(value):
    return None if value is None else float(show_mw(value))


def shown(books, **asked):
    """[(time, period, value in MW, coverage)] of the rows."""
    for name in ("valid_at", "known_at"):
        if name in asked:
            asked[name] = read_instant(asked[name])
    rows = resolved(books, **asked)
    rows.sort(key=lambda row: (row.delivery_start, row.unit_type, row.unit_no))
    return [(show_instant(row.delivery_start)[11:16], row.period_minutes, mw(row.value), row.coverage) for row in rows]


def full(period, **values):
    """Rows with full coverage; a time is written t0015."""
    return [(f"{time[1:3]}:{time[3:]}", period, value, 1.0) for time, value in values.items()]


HOUR_10 = save("a", 10)
QUARTER_20 = save("b", 20, "00:15", on(1, "01:00"), on(1, "02:00"), period_minutes=15)


class Grids(unittest.TestCase):
    def test_one_period_passes_through(self):
        books = books_of([HOUR_10, save("a", "", "01:00"), save("a", -1, "02:00")])
        self.assertEqual(shown(books), full(60, t0000=10, t0200=-1))

    def test_the_newest_wins_at_every_instant(self):
        rows = [HOUR_10, QUARTER_20]
        self.assertEqual(shown(books_of(rows)), full(15, t0000=10, t0015=20, t0030=10, t0045=10))
        # An hour said after the quarter covers all of it again, even one that is only confirmed.
        rows.append(save("c", 10, valid=on(1, "02:00"), recorded=on(1, "02:00")))
        books = books_of(rows)
        self.assertEqual(books.counts["skipped"], 1)
        self.assertEqual(shown(books), full(15, t0000=10, t0015=10, t0030=10, t0045=10))

    def test_greatest_valid_after_and_then_sequence(self):
        # Saved later, but for an earlier instant.
        rows = [HOUR_10 | {"valid_after": on(1, "01:30")}, QUARTER_20]
        self.assertEqual([value for _, _, value, _ in shown(books_of(rows))], [10] * 4)
        rows[1] = QUARTER_20 | {"valid_after": on(1, "01:30")}
        self.assertEqual([value for _, _, value, _ in shown(books_of(rows))], [10, 20, 10, 10])

    def test_of_one_batch_the_finer(self):
        for first, second in ((60, 15), (15, 60)):
            values = {60: 10, 15: 20}
            rows = [save("a", values[period], period_minutes=period) for period in (first, second)]
            self.assertEqual(shown(books_of(rows)), full(15, t0000=20, t0015=10, t0030=10, t0045=10))
        rows = [HOUR_10, save("a", "", period_minutes=15)]
        self.assertEqual(shown(books_of(rows)), full(15, t0015=10, t0030=10, t0045=10))

    def test_a_null_wins_like_a_value(self):
        rows = [HOUR_10, QUARTER_20 | {"value": ""}]
        self.assertEqual(shown(books_of(rows)), full(15, t0000=10, t0030=10, t0045=10))
        rows = [QUARTER_20, save("c", "", valid=on(1, "02:00"), recorded=on(1, "02:00"))]
        self.assertEqual(shown(books_of(rows)), [])

    def test_greatest_common_divisor_of_the_periods_present(self):
        rows = [save("a", 1, period_minutes=10), save("a", 2, "00:15", period_minutes=15)]
        self.assertEqual(shown(books_of(rows)), full(5, t0000=1, t0005=1, t0015=2, t0020=2, t0025=2))
        # A withdrawal of what was never there is kept, and is present; on its own day.
        rows = [HOUR_10, save("a", "", "12:00", period_minutes=30), save("a", 3, delivery_start=on(3))]
        self.assertEqual(shown(books_of(rows)), full(30, t0000=10, t0030=10) + full(60, t0000=3))

    def test_what_does_not_count_is_not_present(self):
        books = books_of([HOUR_10, QUARTER_20 | {"recorded": on(1, "03:00")}])
        for asked in ({"valid_at": on(1, "00:59")}, {"known_at": on(1, "02:59")}):
            self.assertEqual(shown(books, **asked), full(60, t0000=10))
        asked = {"valid_at": on(1, "01:00"), "known_at": on(1, "03:00")}
        self.assertEqual(len(shown(books, **asked)), 4)
        self.assertEqual(shown(books, known_at="2024-04-30T23:59:59Z"), [])
        withdrawn = [{"batch": "b", "recorded": on(1, "04:00")}]
        books = books_of([HOUR_10, QUARTER_20], withdrawals=withdrawn)
        self.assertEqual(shown(books), full(60, t0000=10))
        self.assertEqual(len(shown(books, known_at=on(1, "03:59"))), 4)

    def test_units_providers_and_kinds_stay_apart(self):
        apart = ({"unit_type": "CMP"}, {"unit_no": 2}, {"provider": "p"}, {"kind": "actual"})
        rows = [HOUR_10] + [QUARTER_20 | {"batch": str(cells)} | cells for cells in apart]
        rows = resolved(books_of(rows))
        self.assertEqual(len(rows), 5)
        self.assertEqual(sorted(row.period_minutes for row in rows), [15] * 4 + [60])


class Periods(unittest.TestCase):
    def test_energy_over_the_whole_slot(self):
        books = books_of([HOUR_10, QUARTER_20 | {"value": ""}, save("a", 4, "01:00")])
        self.assertEqual(shown(books, period=60), [("00:00", 60, 7.5, 0.75), ("01:00", 60, 4.0, 1.0)])
        # (45 minutes × 10 + 60 minutes × 4) / 120
        self.assertEqual(shown(books, period=120), [("00:00", 120, 5.75, 105 / 120)])
        self.assertEqual(shown(books, period=1440), [("00:00", 1440, 0.47917, 105 / 1440)])

    def test_finer_than_the_grid_repeats_the_power(self):
        books = books_of([save("a", 3, period_minutes=15)])
        self.assertEqual(shown(books, period=5), full(5, t0000=3, t0005=3, t0010=3))

    def test_neither_divisor_nor_multiple(self):
        expected = [("00:00", 45, 10.0, 1.0), ("00:45", 45, 3.33333, 15 / 45)]
        self.assertEqual(shown(books_of([HOUR_10]), period=45), expected)

    def test_rounded_once_half_away_from_zero(self):
        for value, rounded in (("0.00001", 0.00001), ("-0.00001", -0.00001), ("-0.00003", -0.00002)):
            books = books_of([save("a", value, period_minutes=30)])
            self.assertEqual(shown(books, period=60), [("00:00", 60, rounded, 0.5)])
        # Three times a third of a hundredth is one, if nothing is rounded on the way.
        rows = [save("a", "0.00001", at, period_minutes=5) for at in ("00:00", "00:05", "00:10")]
        self.assertEqual(shown(books_of(rows), period=15), [("00:00", 15, 0.00001, 1.0)])

    def test_completeness(self):
        books = books_of([save("a", 10, period_minutes=15)])
        self.assertEqual(shown(books, period=60, completeness=0.25), [("00:00", 60, 2.5, 0.25)])
        self.assertEqual(shown(books, period=60, completeness=0.26), [("00:00", 60, None, 0.25)])
        self.assertEqual(shown(books, completeness=1.0), full(15, t0000=10))


class AnyFolder(unittest.TestCase):
    def test_the_grid_says_it_all(self):
        for seed in range(4):
            with tempfile.TemporaryDirectory() as out:
                flags = write_folder(seed, Path(out), hierarchy=True)
                books = save_folder(read_folder(out), Rules())
                at_grid = resolved(books)
                self.assertTrue(at_grid)
                self.assertEqual({row.coverage for row in at_grid}, {1.0})
                for period in [period for period in flags["periods"] if period]:
                    energy = sum(row.value * row.period_minutes for row in at_grid)
                    rows = resolved(books, period=period)
                    off = abs(energy - sum(row.value * period for row in rows))
                    self.assertLessEqual(off, len(rows) * period / 2)
                    covered = sum(row.coverage * period for row in rows)
                    self.assertAlmostEqual(covered, sum(row.period_minutes for row in at_grid), places=3)


if __name__ == "__main__":
    unittest.main()
