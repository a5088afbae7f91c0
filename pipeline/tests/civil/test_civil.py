"""Hand-made cases of civil slots, and of the judge itself.

PYTHONPATH=pipeline/tests/oracle python -m unittest discover -s pipeline/tests/civil
"""

import csv
import json
import tempfile
import unittest
from fractions import Fraction
from pathlib import Path

from asked import read_path, read_question
from civil import differences_of
from quantity import HOUR, MINUTE, read_instant, show_instant
from truth import World, hours_of
from zones import NoInstant, slots_in, zone

BERLIN, KOLKATA, LORD_HOWE = "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"
ISSUE = "2026-01-01T00:00:00Z"


def at(text):
    return read_instant(f"2026-{text}Z")


def world(rows, home=BERLIN, memberships=(), units=1):
    """Plants from 1 on and company 1, all of one zone; rows are (plant, start, period, value[, issue])."""
    forecasts = [
        {"unit_type": "PP", "unit_no": plant, "provider": "P", "valid_after": "".join(issue) or ISSUE, "recorded": ""}
        | {"delivery_start": show_instant(start), "period_minutes": period, "measure_unit": "MW", "value": value}
        | {"batch": f"{issue}{plant}{period}"}
        for plant, start, period, value, *issue in rows
    ]
    names = [("PP", number) for number in range(1, units + 1)] + [("CMP", 1)]
    files = {
        "forecasts": forecasts,
        "units": [{"unit_type": kind, "unit_no": number, "zone": home} for kind, number in names],
    }
    pairs = {"parent_type": "CMP", "parent_no": 1, "child_type": "PP"}
    if memberships:
        files["memberships"] = [
            pairs | {"child_no": child, "valid_from": start, "valid_to": end} for child, start, end in memberships
        ]
    with tempfile.TemporaryDirectory() as folder:
        for name, records in files.items():
            with open(Path(folder) / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
                lines = csv.DictWriter(file, list(records[0]))
                lines.writeheader()
                lines.writerows(records)
        return World(Path(folder))


def hours(plant, start, end, value=1, *issue):
    return [(plant, begin, 60, value, *issue) for begin in range(at(start), at(end), HOUR)]


def path(query, unit="PP/1", read="latest"):
    return f"/api/v2.0/production-forecast/P/{unit}/forecasts/{read}?{query}"


def answer(world, query, unit="PP/1", read="latest"):
    return world.answer(read_path(path(query, unit, read)))


def shown(world, query, unit="PP/1", read="latest"):
    """[(start, hours, value, coverage)] of the predictions."""
    expected = answer(world, query, unit, read)
    return [
        (show_instant(each.start)[5:16], float(hours_of(each)), each.value and float(each.value), each.coverage)
        for each in expected.predictions
    ]


class WallClocks(unittest.TestCase):
    def test_changes(self):
        found = {
            name: zone(name).changes() for name in (BERLIN, "America/New_York", LORD_HOWE, KOLKATA, "Europe/Istanbul")
        }
        self.assertEqual(found.pop(BERLIN), [(at("03-29T01:00:00"), 60, 120), (at("10-25T01:00:00"), 120, 60)])
        self.assertEqual(
            found.pop("America/New_York"), [(at("03-08T07:00:00"), -300, -240), (at("11-01T06:00:00"), -240, -300)]
        )
        self.assertEqual(found.pop(LORD_HOWE), [(at("04-04T15:00:00"), 660, 630), (at("10-03T15:30:00"), 630, 660)])
        self.assertEqual(list(found.values()), [[], []])

    def test_days(self):
        def days(name, start, end):
            return [(end - start) / HOUR for start, end in slots_in(zone(name), "day", at(start), at(end))]

        self.assertEqual(days(BERLIN, "03-27T23:00:00", "03-29T22:00:00"), [24, 23])
        self.assertEqual(days(BERLIN, "10-24T22:00:00", "10-25T23:00:01"), [25, 24])
        self.assertEqual(days(BERLIN, "10-24T22:00:01", "10-25T23:00:00"), [])
        self.assertEqual(days(LORD_HOWE, "04-04T13:00:00", "04-05T13:29:00"), [24.5])
        self.assertEqual(days(LORD_HOWE, "10-03T13:30:00", "10-04T13:00:00"), [23.5])
        self.assertEqual(days(KOLKATA, "03-28T18:30:00", "03-28T18:31:00"), [24])

    def test_months(self):
        def month(name, start):
            [(begin, end)] = slots_in(zone(name), "month", at(start), at(start) + 1)
            return (end - begin) / HOUR

        self.assertEqual(month("America/New_York", "03-01T05:00:00"), 743)
        self.assertEqual(month("America/New_York", "11-01T04:00:00"), 721)
        self.assertEqual(month(BERLIN, "09-30T22:00:00"), 745)
        self.assertEqual(month(LORD_HOWE, "03-31T13:00:00"), 720.5)
        self.assertEqual(month(KOLKATA, "02-28T18:30:00"), 744)

    def test_minutes_are_aligned_in_utc(self):
        slots = slots_in(zone(KOLKATA), 60, at("03-28T18:30:00"), at("03-28T20:00:00"))
        self.assertEqual(slots, [(at("03-28T19:00:00"), at("03-28T20:00:00"))])

    def test_local_times(self):
        for name, wall, instant in (
            (BERLIN, "2026-03-29T01:59:59", "03-29T00:59:59"),
            (BERLIN, "2026-03-29T03:00", "03-29T01:00:00"),
            (BERLIN, "2026-10-25T03:00", "10-25T02:00:00"),
            (BERLIN, "2026-10-25", "10-24T22:00:00"),
            (LORD_HOWE, "2026-10-04T02:30", "10-03T15:30:00"),
            ("America/New_York", "2026-11-01T00:59:59", "11-01T04:59:59"),
            (BERLIN, "2026-03-29T02:30:00Z", "03-29T02:30:00"),
        ):
            self.assertEqual(zone(name).read(wall), at(instant))
        for name, wall, code in (
            (BERLIN, "2026-03-29T02:00", "NONEXISTENT_LOCAL_TIME"),
            (BERLIN, "2026-03-29T02:59:59", "NONEXISTENT_LOCAL_TIME"),
            (BERLIN, "2026-10-25T02:00", "AMBIGUOUS_LOCAL_TIME"),
            (LORD_HOWE, "2026-04-05T01:45", "AMBIGUOUS_LOCAL_TIME"),
            (LORD_HOWE, "2026-10-04T02:15", "NONEXISTENT_LOCAL_TIME"),
        ):
            with self.assertRaisesRegex(NoInstant, code):
                zone(name).read(wall)

    def test_texts(self):
        self.assertEqual(zone(LORD_HOWE).show(at("04-04T15:00:00")), "2026-04-05T01:30:00+10:30")
        self.assertEqual(zone("America/New_York").show(at("11-01T05:30:00")), "2026-11-01T01:30:00-04:00")


class Units(unittest.TestCase):
    def test_a_day_of_23_hours(self):
        told = world(hours(1, "03-28T23:00:00", "03-29T22:00:00"))
        query = "period=day&from=2026-03-29&to=2026-03-30"
        self.assertEqual(shown(told, query), [("03-28T23:00", 23, 1, 1)])
        self.assertEqual(shown(told, query + "&measure-unit=MWh"), [("03-28T23:00", 23, 23, 1)])
        self.assertEqual(shown(told, "period=day&from=2026-03-29T00:00:01&to=2026-03-30"), [])

    def test_what_is_missing_counts_as_nothing_and_shows(self):
        told = world(hours(1, "03-28T23:00:00", "03-29T21:00:00"))
        query = "period=day&from=2026-03-29&to=2026-03-30"
        self.assertEqual(shown(told, query), [("03-28T23:00", 23, None, Fraction(22, 23))])
        # 22/23 MW to the hundredth of a kW
        self.assertEqual(shown(told, query + "&completeness=0.95"), [("03-28T23:00", 23, 0.95652, Fraction(22, 23))])
        self.assertEqual(shown(told, query + "&completeness=0&measure-unit=kWh")[0][2], 22_000)
        self.assertEqual(shown(told, "period=day&from=2026-03-30&to=2026-04-02&completeness=0"), [])

    def test_hours_that_midnight_cuts_count_by_time(self):
        told = world([(1, at("03-28T18:00:00"), 60, 10)] + hours(1, "03-28T19:00:00", "03-29T19:00:00", 0), KOLKATA)
        query = "period=day&from=2026-03-29&to=2026-03-30"
        self.assertEqual(shown(told, query), [("03-28T18:30", 24, 0.20833, 1)])
        self.assertEqual(shown(told, query + "&measure-unit=MWh"), [("03-28T18:30", 24, 5, 1)])
        # In another zone the hour is whole, and the day another one.
        query = "period=day&zone=UTC&from=2026-03-28T00:00:00Z&to=2026-03-29T00:00:00Z&completeness=0"
        self.assertEqual(shown(told, query), [("03-28T00:00", 24, 0.41667, Fraction(6, 24))])

    def test_rounding_is_once_and_half_away_from_zero(self):
        # Half a hundredth of a kW on average, as energy and as power.
        for value, rounded in (("0.00001", 0.00001), ("-0.00001", -0.00001)):
            told = world([(1, at("03-10T00:00:00"), 30, value), (1, at("03-10T00:30:00"), 30, 0)])
            for measure in ("MW", "MWh"):
                query = f"period=60&from=2026-03-10T00:00:00Z&to=2026-03-10T01:00:00Z&measure-unit={measure}"
                self.assertEqual(shown(told, query), [("03-10T00:00", 1, rounded, 1)])

    def test_instants(self):
        later = "2026-02-01T00:00:00Z"
        told = world(
            hours(1, "03-28T23:00:00", "03-29T22:00:00") + hours(1, "03-29T00:00:00", "03-29T01:00:00", 24, later)
        )
        query = "period=day&from=2026-03-29&to=2026-03-30"
        self.assertEqual(shown(told, query)[0][2], 2)
        self.assertEqual(shown(told, query + "&date=2026-02-01T00:59:59", read="latest-by-date")[0][2], 1)
        self.assertEqual(shown(told, query + "&date=2026-02-01T01:00:00", read="latest-by-date")[0][2], 2)
        self.assertEqual(shown(told, query + "&known_at=2026-01-31")[0][2], 1)
        minutes = (at("03-28T23:00:00") - read_instant(later)) // MINUTE
        for offset, value in ((minutes, 2), (minutes + 1, 1)):
            read = "latest-by-production-time-offset"
            self.assertEqual(shown(told, f"{query}&offset={offset}", read=read)[0][2], value)

    def test_slots_of_the_only_period_say_since_when(self):
        told = world(hours(1, "03-10T00:00:00", "03-10T01:00:00"))
        query = "from=2026-03-10T00:00:00Z&to=2026-03-10T01:00:00Z&period="
        recorded = {period: answer(told, f"{query}{period}").predictions[0].recorded for period in (60, 15)}
        self.assertEqual(recorded, {60: read_instant(ISSUE), 15: None})

    def test_many(self):
        told = world(hours(1, "03-28T23:00:00", "03-29T22:00:00"), units=2)
        body = {"providerKey": "P", "unitType": "PP", "unitIds": [2, 1]}
        body["query"] = {"period": "day", "from": "2026-03-29", "to": "2026-03-30"}
        reads = read_question({"path": "", "asked": body})
        self.assertEqual([len(each.predictions) for each in told.answers(reads)], [0, 1])
        told.zones["PP", 2] = zone(KOLKATA)
        [refused] = told.answers(reads)
        self.assertEqual((refused.status, refused.about), (400, "zone"))
        body["query"]["zone"] = KOLKATA
        self.assertEqual(len(told.answers(read_question({"path": "", "asked": body}))), 2)


class Totals(unittest.TestCase):
    def test_a_plant_sold_within_an_hour(self):
        rows = hours(1, "03-28T23:00:00", "03-29T22:00:00") + hours(2, "03-29T18:00:00", "03-29T19:00:00", 6)
        sold = ("2", "", "2026-03-29T18:20:00Z")
        told = world(rows, memberships=[("1", "", ""), sold], units=2)
        query = "period=day&from=2026-03-29&to=2026-03-30&measure-unit=MWh"
        [day] = answer(told, query, "CMP/1").predictions
        # 23 h of the first and 20 minutes of the second, which belonged for 19 h 20 min.
        self.assertEqual((day.value, day.members, day.reporting), (25, 2, 2))
        self.assertEqual(day.coverage, Fraction(23 * 60 + 20, 23 * 60 + 19 * 60 + 20))
        hour = "period=60&from=2026-03-29T18:00:00Z&to=2026-03-29T20:00:00Z"
        self.assertEqual(shown(told, hour, "CMP/1"), [("03-29T18:00", 1, 3, 1), ("03-29T19:00", 1, 1, 1)])

    def test_a_day_without_a_word_counts_its_members(self):
        told = world(hours(1, "03-01T00:00:00", "03-02T00:00:00"), "UTC", [("1", "", "")])
        query = "period=month&from=2026-03-01&to=2026-03-02"
        self.assertEqual(shown(told, query, "CMP/1"), [("03-01T00:00", 744, 0.03226, Fraction(1, 31))])

    def test_a_zone_is_needed(self):
        told = world(hours(1, "03-01T00:00:00", "03-02T00:00:00"), memberships=[("1", "", "")])
        for period, status in (("day", 400), ("month", 400), ("60", 200)):
            asked = read_path(
                f"/api/v2.0/totals/company/1/P?period={period}&from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z"
            )
            self.assertEqual(told.answer(asked).status, status)


class Judge(unittest.TestCase):
    def setUp(self):
        self.told = world(hours(1, "03-28T23:00:00", "03-29T21:00:00"))
        self.query = "period=day&from=2026-03-29&to=2026-03-30&completeness=0"
        self.slot = {
            "ds": "2026-03-28T23:00:00Z",
            "v": 0.95652,
            "coverage": 22 / 23,
            "hours": 23,
            "pk": "P",
            "mu": "MW",
        }

    def found(self, status=200, query=None, **slot):
        """What the judge says of an answer with this slot; a field that is None is left out."""
        slot = {name: value for name, value in (self.slot | slot).items() if value is not None}
        element = {"unitType": "PP", "unitNo": 1, "providerKey": "P", "period": "day", "measureUnit": "MW"}
        data = [element | {"predictions": [slot] if slot else []}]
        query = query or self.query
        answer = {"path": path(query), "status": status, "known_at": "", "body": json.dumps({"data": data})}
        asked = read_path(path(query))
        return list(differences_of([asked], self.told.answers([asked]), answer))

    def test_what_is_right(self):
        self.assertEqual(self.found(), [])
        self.assertEqual(self.found(query=self.query + "&no-details=true", pk=None), [])

    def test_what_is_wrong(self):
        wrong = [{"v": 0.95653}, {"coverage": 0.95}, {"coverage": None}, {"hours": 24}, {"hours": None}, {"pk": None}]
        wrong += [{"ds": "2026-03-29T00:00:00Z"}, {"members": 1}, {"status": 422}, {"mu": "kW"}, {"v": None}]
        for slot in wrong:
            self.assertNotEqual(self.found(**slot), [], slot)
        self.assertNotEqual(self.found(query=self.query + "&no-details=true"), [])
        self.assertNotEqual(self.found(query=self.query.replace("29&", "29T02:30&")), [])
        self.assertNotEqual(self.found(query=self.query + "&known_at=2026-03-01"), [])


if __name__ == "__main__":
    unittest.main()
