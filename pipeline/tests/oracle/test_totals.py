"""Hand-made cases of `totals`: who belongs, at which grid, and what is added up.

python -m unittest discover -s pipeline/tests/oracle      (needs pyarrow)
"""

import tempfile
import unittest
from fractions import Fraction
from pathlib import Path

from hierarchy import Hierarchy
from latest import picture
from long_format import read_folder
from quantity import DAY, MINUTE, read_instant, round_half_away, show_instant
from random_folder import write_folder
from resolved import curves
from saving import Rules, save_folder
from test_oracle import books_of, on, save
from test_resolved import mw
from totals import totals


def member(parent, child, begin="", end="", recorded=""):
    """A row of `memberships`; units are written CMP1."""
    cells = {"parent_type": parent[:3], "parent_no": parent[3:], "child_type": child.rstrip("0123456789")}
    cells |= {"child_no": child[len(cells["child_type"]) :]}
    return cells | {"valid_from": begin, "valid_to": end, "recorded": recorded}


def version(unit_no, region="", plant_type="", valid_from="", recorded=""):
    cells = {"unit_type": "PP", "unit_no": unit_no, "region": region, "plant_type": plant_type}
    return cells | {"valid_from": valid_from, "recorded": recorded}


def shown(books, total="company/1", **asked):
    """[(time, period, value in MW, members, reporting, coverage)] of the rows of one total."""
    for name in ("valid_at", "known_at"):
        if name in asked:
            asked[name] = read_instant(asked[name])
    rows = [row for row in totals(books, **asked) if f"{row.dimension}/{row.key}" == total]
    return [
        (show_instant(row.delivery_start)[11:16], row.period_minutes, mw(row.value))
        + (row.members, row.reporting, row.coverage)
        for row in sorted(rows, key=lambda row: row.delivery_start)
    ]


def hourly(unit_no, value, hours=range(24), **cells):
    return [save(f"{unit_no}", value, f"{hour:02d}:00", unit_no=unit_no, **cells) for hour in hours]


def grid_of(memberships, total="company/1", rows=None, **files):
    """The grid of a total on 2 May, where PP1 reports the whole day at 60 minutes."""
    files |= {"memberships": memberships} if memberships else {}
    books = books_of(rows or hourly(1, 1), **files)
    [grid] = {row.period_minutes for row in totals(books) if f"{row.dimension}/{row.key}" == total} or {None}
    return grid


ALWAYS_IN = member("CMP1", "PP1")


class Sums(unittest.TestCase):
    def test_members_and_reporting(self):
        rows = hourly(1, 10, [0, 1]) + hourly(2, 5, [1, 2]) + hourly(9, 99, [0])
        books = books_of(rows, memberships=[member("CMP1", f"PP{number}") for number in (1, 2, 3)])
        expected = [("00:00", 60, 10, 3, 1, 1 / 3), ("01:00", 60, 15, 3, 2, 2 / 3), ("02:00", 60, 5, 3, 1, 1 / 3)]
        self.assertEqual(shown(books), expected)
        # (10 + 15) / 2; three members for two hours, of which three hours report
        expected = [("00:00", 120, 12.5, 3, 2, 3 / 6), ("02:00", 120, 2.5, 3, 1, 1 / 6)]
        self.assertEqual(shown(books, period=120), expected)
        self.assertEqual([row[2] for row in shown(books, period=120, completeness=0.5)], [12.5, None])
        self.assertEqual(shown(books, total="company/3"), [])

    def test_providers_and_kinds_are_not_mixed(self):
        rows = hourly(1, 1, [0]) + hourly(2, 2, [0], provider="Q") + hourly(3, 4, [0], kind="actual")
        books = books_of(rows, memberships=[member("CMP1", f"PP{number}") for number in (1, 2, 3)])
        found = [row for row in totals(books) if row.dimension == "company"]
        expected = [("actual", "P", 4), ("forecast", "P", 1), ("forecast", "Q", 2)]
        self.assertEqual(sorted((row.kind, row.provider, mw(row.value)) for row in found), expected)
        self.assertEqual({(row.members, row.reporting) for row in found}, {(3, 1)})

    def test_own_forecasts_are_no_members(self):
        rows = hourly(1, 1, [0]) + [save("own", 50, unit_type="CMP"), save("own", 60, unit_type="GRP")]
        books = books_of(rows, memberships=[ALWAYS_IN, member("GRP1", "CMP1")])
        for total in ("company/1", "group/1", "all/all"):
            self.assertEqual(shown(books, total), [("00:00", 60, 1, 1, 1, 1.0)])

    def test_resolved_winners_at_a_common_grid(self):
        rows = hourly(1, 10, [0]) + [save("b", 20, "00:30", recorded=on(1, "01:00"), unit_no=2, period_minutes=30)]
        books = books_of(rows, memberships=[ALWAYS_IN, member("CMP1", "PP2")])
        expected = [("00:00", 30, 10, 2, 1, 0.5), ("00:30", 30, 30, 2, 2, 1.0)]
        self.assertEqual(shown(books), expected)
        self.assertEqual(shown(books, period=60), [("00:00", 60, 20, 2, 2, 0.75)])
        self.assertEqual(shown(books, valid_at=on(1)), [("00:00", 60, 10, 2, 1, 0.5)])
        # Ten minutes into the second half hour: (30 × 10 + 10 × 30) / 40, then 20 × 30 / 40
        expected = [("00:00", 40, 15, 2, 2, (30 + 2 * 10) / 80), ("00:40", 40, 15, 2, 2, 40 / 80)]
        self.assertEqual(shown(books, period=40), expected)


class Edges(unittest.TestCase):
    def test_a_plant_sold_within_its_slot(self):
        sold = [member("CMP1", "PP1", "", on(2, "18:30")), member("CMP2", "PP1", on(2, "18:30"))]
        rows = hourly(1, 10, [17, 18, 19]) + [save("d", 10, delivery_start=on(3))]
        books = books_of(rows, memberships=sold)
        seller = [("17:00", 30, 10), ("17:30", 30, 10), ("18:00", 30, 10)]
        self.assertEqual([row[:3] for row in shown(books)], seller)
        buyer = [("18:30", 30, 10), ("19:00", 30, 10), ("19:30", 30, 10), ("00:00", 60, 10)]
        self.assertEqual([row[:3] for row in shown(books, "company/2")], buyer)
        self.assertEqual(shown(books, period=60)[1], ("18:00", 60, 5, 1, 1, 1.0))
        self.assertEqual(shown(books, "company/2", period=60)[0], ("18:00", 60, 5, 1, 1, 1.0))

    def test_an_edge_counts_from_the_next_full_minute(self):
        sold = [member("CMP1", "PP1", "", "2024-05-02T18:30:00.000001Z")]
        books = books_of(hourly(1, 60, [18]), memberships=sold)
        self.assertEqual([row[:3] for row in shown(books, period=60)], [("18:00", 60, 31)])
        self.assertEqual({row[1] for row in shown(books)}, {1})
        bought = [member("CMP1", "PP1", "2024-05-02T18:29:59Z")]
        self.assertEqual([row[:2] for row in shown(books_of(hourly(1, 60, [18]), memberships=bought))], [("18:30", 30)])

    def test_an_edge_in_the_last_minute_is_one_of_no_day(self):
        late = [member("CMP1", "PP1", "", "2024-05-02T23:59:30Z")]
        rows = hourly(1, 10, [23]) + [save("d", 10, delivery_start=on(3))]
        self.assertEqual(shown(books_of(rows, memberships=late)), [("23:00", 60, 10, 1, 1, 1.0)])
        late = [member("CMP1", "PP1", "2024-05-02T23:59:30Z")]
        self.assertEqual(shown(books_of(rows, memberships=late)), [("00:00", 60, 10, 1, 1, 1.0)])

    def test_which_instants_are_edges(self):
        at, soon = "2024-05-02T06:15:10Z", "2024-05-02T06:15:50Z"
        self.assertEqual(grid_of([ALWAYS_IN]), 60)
        self.assertEqual(grid_of([member("CMP1", "PP1", on(2), on(3))]), 60)
        self.assertEqual(grid_of([member("CMP1", "PP1", on(1), on(2, "06:20"))]), 20)
        self.assertEqual(grid_of([member("CMP1", "PP1", on(1), on(2, "06:07"))]), 1)
        # Stretches that meet, overlap, or leave no full minute between them.
        for begin, end in ((at, at), (at, soon), (soon, at)):
            self.assertEqual(grid_of([member("CMP1", "PP1", "", end), member("CMP1", "PP1", begin)]), 60)
        self.assertEqual(grid_of([ALWAYS_IN, member("CMP1", "PP2", at, soon)]), 60)
        # A plant that does not report; one of another total; one that is in by another way.
        self.assertEqual(grid_of([ALWAYS_IN, member("CMP1", "PP2", on(2, "06:15"))]), 15)
        self.assertEqual(grid_of([ALWAYS_IN, member("CMP2", "PP2", on(2, "06:15"))]), 60)
        in_group = [ALWAYS_IN, member("GRP1", "CMP1"), member("GRP1", "PP1", on(2, "06:15"))]
        self.assertEqual(grid_of(in_group, "group/1"), 60)

    def test_only_members_of_the_day_are_of_its_grid(self):
        rows = hourly(1, 1) + [save("5", "", "01:00", unit_no=2, period_minutes=5)]
        self.assertEqual(grid_of([ALWAYS_IN], rows=rows), 60)
        self.assertEqual(grid_of([ALWAYS_IN, member("CMP1", "PP2", on(3))], rows=rows), 60)
        # A withdrawal is present, at any time of the day.
        self.assertEqual(grid_of([ALWAYS_IN, member("CMP1", "PP2", "", on(2, "12:00"))], rows=rows), 5)

    def test_slots_whose_members_change(self):
        rows = hourly(1, 10, [18])
        books = books_of(rows, memberships=[ALWAYS_IN, member("CMP1", "PP2", on(2, "18:30"))])
        self.assertEqual(shown(books), [("18:00", 30, 10, 1, 1, 1.0), ("18:30", 30, 10, 2, 1, 0.5)])
        self.assertEqual(shown(books, period=60), [("18:00", 60, 10, 2, 1, 60 / 90)])
        # 18:20 to 18:40 has ten minutes with one member and ten with two.
        self.assertEqual(shown(books, period=20)[1], ("18:20", 20, 10, 2, 1, 20 / 30))
        self.assertEqual(shown(books, period=10)[2], ("18:20", 10, 10, 1, 1, 1.0))


class Belonging(unittest.TestCase):
    def test_a_group_counts_a_plant_once(self):
        paths = [member("CMP1", "PP1"), member("CMP2", "PP1"), member("GRP1", "CMP1"), member("GRP1", "CMP2")]
        paths += [member("GRP1", "PP1"), member("GRP2", "CMP2", on(2, "12:00"), on(2, "13:00"))]
        books = books_of(hourly(1, 10, [11, 12, 13]), memberships=paths)
        self.assertEqual([row[2:] for row in shown(books, "group/1")], [(10, 1, 1, 1.0)] * 3)
        self.assertEqual([row[0] for row in shown(books, "group/2")], ["12:00"])
        self.assertEqual([row[2:] for row in shown(books, "company/2")], [(10, 1, 1, 1.0)] * 3)
        both = [member("CMP1", "PP1", "", on(2, "12:00")), member("GRP1", "CMP1", on(2, "12:00"))]
        self.assertEqual(shown(books_of(hourly(1, 10), memberships=both), "group/1"), [])

    def test_region_and_type_of_the_version_that_holds(self):
        units = [version(1, "Ege", "wind"), version(1, "", "solar", on(2, "12:00")), version(2, "Ege")]
        rows = hourly(1, 10, [11, 12]) + hourly(2, 1, [11, 12])
        books = books_of(rows, units=units)
        expected = [("11:00", 60, 11, 2, 2, 1.0), ("12:00", 60, 1, 1, 1, 1.0)]
        self.assertEqual(shown(books, "region/Ege"), expected)
        self.assertEqual(shown(books, "plant_type/wind"), [("11:00", 60, 10, 1, 1, 1.0)])
        self.assertEqual(shown(books, "plant_type/solar"), [("12:00", 60, 10, 1, 1, 1.0)])
        self.assertEqual({row.dimension for row in totals(books)}, {"region", "plant_type", "all"})
        units[1] |= {"valid_from": on(2, "12:10")}
        books = books_of(rows, units=units)
        self.assertEqual({row[1] for row in shown(books, "region/Ege")}, {10})
        self.assertEqual({row[1] for row in shown(books, "all/all")}, {60})

    def test_all_plants_from_their_first_version_on(self):
        units = [version(1), version(2, "Ege", valid_from=on(2, "00:30")), version(3, valid_from=on(3))]
        rows = hourly(1, 10, [0]) + hourly(2, 1, [0], kind="actual") + hourly(7, 1, [0], kind="actual")
        found = totals(books_of(rows, units=units))
        found = [
            (row.kind, row.delivery_start % DAY // MINUTE, row.members, mw(row.value))
            for row in found
            if row.dimension == "all"
        ]
        self.assertEqual(sorted(found), [("actual", 30, 2, 1), ("forecast", 0, 1, 10), ("forecast", 30, 2, 10)])

    def test_without_units_a_plant_is_known_when_it_is_named(self):
        rows = hourly(1, 10, [0]) + hourly(2, 1, [0], recorded=on(1, "06:00"))
        books = books_of(rows + hourly(3, 1, [0], recorded=on(1, "07:00"), period_minutes=7))
        self.assertEqual(shown(books, "all/all"), [("00:00", 60, 11, 3, 2, 2 / 3)])
        self.assertEqual(shown(books, "all/all", known_at=on(1, "06:00")), [("00:00", 60, 11, 2, 2, 1.0)])
        self.assertEqual(shown(books, "all/all", known_at=on(1, "05:59")), [("00:00", 60, 10, 1, 1, 1.0)])

    def test_named_only_in_memberships(self):
        books = books_of(hourly(1, 10, [0]), memberships=[ALWAYS_IN, member("CMP1", "PP9")], units=[version(1)])
        self.assertEqual(shown(books), [("00:00", 60, 10, 2, 1, 0.5)])
        self.assertEqual(shown(books, "all/all"), [("00:00", 60, 10, 1, 1, 1.0)])


class Knowledge(unittest.TestCase):
    def test_a_move_known_later(self):
        moves = [member("CMP1", "PP1", "", on(2, "02:00"), on(1, "06:00")), ALWAYS_IN]
        books = books_of(
            hourly(1, 10, range(4)) + [save("z", 1, unit_no=5, recorded=on(1, "12:00"))], memberships=moves
        )
        self.assertEqual(len(shown(books)), 2)
        self.assertEqual(len(shown(books, known_at=on(1, "06:00"))), 2)
        self.assertEqual(len(shown(books, known_at=on(1, "05:59"))), 4)
        # The reference says nothing about who belongs; a known_at past the clock is the clock.
        self.assertEqual(len(shown(books, valid_at=on(1, "05:59"))), 2)
        self.assertEqual(shown(books, known_at=on(9)), shown(books))
        # Said again in the file's order, at the same instant: sold at once, which is never bought.
        moves.append(member("CMP1", "PP1", "2024-05-02T00:00:00Z", "2024-05-02T00:00:00Z"))
        moves.append(moves[0] | {"valid_to": on(1)})
        self.assertEqual(shown(books_of(hourly(1, 10, range(4)), memberships=moves)), [])

    def test_a_version_known_later(self):
        units = [version(1, "Ege"), version(1, "Marmara", recorded=on(1, "06:00"))]
        units.append(version(1, "Ege", "wind", on(2, "01:00"), on(1, "07:00")))
        books = books_of(hourly(1, 10, [0, 1]), units=units)
        for known_at, ege in ((on(1, "05:59"), ["00:00", "01:00"]), (on(1, "06:00"), []), (on(1, "07:00"), ["01:00"])):
            self.assertEqual([row[0] for row in shown(books, "region/Ege", known_at=known_at)], ege)


class AnyFolder(unittest.TestCase):
    def test_no_grid_loses_anything(self):
        """Values and members against a sum of single minutes that knows no grid."""
        for seed in range(4):
            with tempfile.TemporaryDirectory() as out:
                flags = write_folder(seed, Path(out), hierarchy=True)
                books = save_folder(read_folder(out), Rules())
            hierarchy = Hierarchy(books, books.clock)
            by_day = {}
            for (kind, unit, provider, day), curve in curves(books, *picture(books, None, None)).items():
                by_day.setdefault((kind, provider, day), {})[unit] = curve.values
            asked = [row for period in flags["periods"] for row in totals(books, period=period)]
            self.assertTrue(asked)
            for row in asked[:: 1 + len(asked) // 300]:
                minutes, seen = range(row.delivery_start, row.delivery_start + row.period_minutes * MINUTE, MINUTE), []
                values = by_day[row.kind, row.provider, row.delivery_start // DAY * DAY]
                for instant in minutes:
                    plants = hierarchy.totals_at(instant).get((row.dimension, row.key), ())
                    there = [values[plant][instant % DAY // MINUTE] for plant in plants if plant in values]
                    seen.append((len(plants), [value for value in there if value is not None]))
                energy = sum(sum(there) for _, there in seen)
                self.assertEqual(row.value, round_half_away(Fraction(energy, row.period_minutes)))
                self.assertEqual(row.members, max(members for members, _ in seen))
                self.assertEqual(row.reporting, max(len(there) for _, there in seen))
                reporting, members = sum(len(there) for _, there in seen), sum(members for members, _ in seen)
                self.assertEqual(row.coverage, reporting / members)


if __name__ == "__main__":
    unittest.main()
