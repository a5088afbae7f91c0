"""Writes a seeded folder and the questions to ask of it.

    PYTHONPATH=pipeline/tests/oracle questions.py SEED OUT

OUT/in is the folder, OUT/questions.json the list of {"path"}, with "asked" where that body is posted. What the answers have to be is not
said here: civil.py reads the paths again.
"""

import itertools
import json
import sys
from pathlib import Path
from urllib.parse import quote, urlencode

from folder import (
    ELSEWHERE,
    GROUP,
    ISSUED,
    LATER,
    MIXED_COMPANY,
    PLACES,
    PROVIDER,
    SECOND_PROVIDER,
    ZONES,
    write_folder,
)
from quantity import DAY, HOUR, MICROS, MINUTE, show_instant
from zones import zone

PERIODS = (60, "day", "month")
CIVIL = ("day", "month")
ODD_ZONES = ("Africa/Cairo", "America/Havana", "America/St_Johns", "Asia/Kathmandu", "Pacific/Chatham")


def main():
    seed, out = int(sys.argv[1]), Path(sys.argv[2])
    write_folder(seed, out / "in")
    asked = {json.dumps(each): each for each in questions()}
    (out / "questions.json").write_text(json.dumps(list(asked.values()), indent=0), encoding="utf-8")


def questions():
    for place in PLACES:
        plants = ("PP", place.hourly), ("PP", place.quarterly)
        for season, change in enumerate(place.changes()):
            for plant in plants:
                yield from reads(place, plant, change)
                yield from measures(plant, change)
                yield from axes(place, plant, season, change)
            yield from edges(place, plants[season], change)
            company = ("CMP", place.number)
            yield from reads(place, company, change)
            yield from measures(company, change)
            yield from axes(place, company, season, change)
            yield from totals(place, season, change)
            for unit in (("CMP", MIXED_COMPANY), ("GRP", GROUP)):
                yield from reads(place, unit, change)
            yield from many(place, change)
        yield from wall_times(place)
        yield from others(place)
    yield from odd_zones()


def ask(unit, period, read="latest", provider=PROVIDER, **words):
    """A read of a unit."""
    base = f"/api/v2.0/production-forecast/{quote(provider, safe='')}/{unit[0]}/{unit[1]}/forecasts/{read}"
    return {"path": f"{base}?{query(period, words)}"}


def ask_total(dimension, key, period, provider=PROVIDER, **words):
    names = "/".join(quote(name, safe="") for name in (dimension, str(key), provider))
    return {"path": f"/api/v2.0/totals/{names}?{query(period, words)}"}


def query(period, words):
    """Query words; `from_` and `to` are instants or texts as they stand."""
    return urlencode({"period": period} | shown(words))


def shown(words):
    """Words as the doors spell them."""
    names = {name: name.rstrip("_").replace("measure_unit", "measure-unit") for name in words}
    # Offsets and shares are small numbers, instants are large ones.
    texts = {name: show_instant(word) if isinstance(word, int) and word > DAY else word for name, word in words.items()}
    return {names[name]: text for name, text in texts.items()}


def month(change):
    """A month around a change, from the noon of a day to that of another."""
    return {"from_": change - 15 * DAY - 5 * HOUR, "to": change + 16 * DAY + 5 * HOUR}


def months(change):
    """So long that three months begin in it."""
    return {"from_": change - 40 * DAY, "to": change + 45 * DAY}


def week(change):
    return {"from_": change - 3 * DAY, "to": change + 4 * DAY}


def day_of(place, change):
    """[start, end) of the civil day in which the clocks change."""
    return next(slot for slot in zone(place.zone).slots("day") if slot[0] <= change < slot[1])


def reads(place, unit, change):
    """By hour, day and month, in the unit's zone and in each other."""
    yield ask(unit, 60, **month(change))
    yield ask(unit, "day", **month(change))
    yield ask(unit, "day", **month(change), completeness=0 if unit[0] == "PP" else 1)
    yield ask(unit, "month", **months(change))
    yield ask(unit, "month", **months(change), completeness=0.5)
    for name in ZONES:
        yield ask(unit, "day", **month(change), zone=name)
        yield ask(unit, "month", **months(change), zone=name, completeness=0)
    yield ask(unit, 60, **week(change), zone=place.zone)
    yield ask(unit, "day", **week(change), **{"no-details": "true"})


def measures(unit, change):
    """Each measure unit, and coverage that just suffices."""
    for measure in ("kW", "MW", "kWh", "MWh", "2"):
        yield ask(unit, "day", **week(change), measure_unit=measure, completeness=0)
        yield ask(unit, 60, **week(change), measure_unit=measure)
    yield ask(unit, "month", **months(change), measure_unit="kWh", completeness=0)
    for completeness in (0, 0.25, 0.5, 0.75, 1, "0.500"):
        yield ask(unit, 60, **week(change), completeness=completeness)
    for period, completeness in ((5, 1), (15, 0), (15, 1), (30, 0.5), (120, 0.75), (480, 0), (1440, 0.9)):
        yield ask(unit, period, from_=change - DAY, to=change + 2 * DAY, completeness=completeness)


def axes(place, unit, season, change):
    """As of other instants: before, between and after the issues, and before what was known late."""
    issued = ISSUED[season] + place.number * HOUR
    dates = [issued + days * DAY for days in (-1, 1, 4, 5, 7, 9, 10, 12)] + [LATER[season] - 1, LATER[season]]
    for date in dates:
        yield ask(unit, "day", "latest-by-date", **week(change), date=date, completeness=0)
    yield ask(unit, 60, "latest-by-date", **week(change), date=dates[4])
    yield ask(unit, "month", "latest-by-date", **months(change), date=dates[5], completeness=0.25)
    # A wall clock of the unit's zone; the zone of the answer is another's.
    yield ask(unit, "day", "latest-by-date", **week(change), date="2026-02-17", zone="Asia/Kolkata")
    for known_at in (issued + 2 * DAY, issued + 10 * DAY, issued + 18 * DAY, LATER[1] + 300 * DAY):
        yield ask(unit, "day", **week(change), known_at=known_at, completeness=0)
        yield ask(unit, "month", **months(change), known_at=known_at, completeness=0)
        later = {"date": known_at + 30 * DAY, "known_at": known_at}
        yield ask(unit, "day", "latest-by-date", **week(change), **later, completeness=0)
    # The reference of a slot is that of its start: it just reaches an issue, or just does not, at the
    # midnight before the clocks change and where they do.
    read = "latest-by-production-time-offset"
    midnight, _ = day_of(place, change)
    for lag in (96 * HOUR, 108 * HOUR, 192 * HOUR):
        for start, late in ((midnight, 0), (midnight, 1), (change, 0)):
            offset = {"offset": (start - issued - lag) // MINUTE + late, "completeness": 0}
            yield ask(unit, "day", read, from_=midnight, to=change + 3 * DAY, **offset)
        yield ask(unit, 60, read, from_=change - 13 * HOUR, to=change + 13 * HOUR, **offset)


def edges(place, plant, change):
    """Ranges that begin or end within a civil day, at its midnight, and beside it."""
    midnight, next_one = day_of(place, change)
    yield ask(plant, "day", from_=change, to=change + 3 * DAY)
    yield ask(plant, "day", from_=midnight + 1, to=next_one + 1)
    for start, end in ((midnight, next_one), (midnight + MICROS, next_one + MICROS), (midnight, midnight)):
        yield ask(plant, "day", from_=start, to=end)
        yield ask(plant, "month", from_=start, to=end)
        yield ask(plant, 60, from_=start, to=end)
    first = next(start for start, _ in zone(place.zone).slots("month") if start > change)
    for start, end in ((first, first + 1), (first + 1, first + 40 * DAY), (first - 1, first), (change, first + 1)):
        yield ask(plant, "month", from_=start, to=end, completeness=0)
    # With an offset that is nobody's.
    text = f"{show_instant(midnight + 345 * MINUTE)[:-1]}+05:45"
    yield ask(plant, "day", from_=text, to=next_one + 1)


def totals(place, season, change):
    """Totals by name, which have no zone of their own."""
    named = [("company", place.number), ("company", MIXED_COMPANY), ("group", GROUP), ("all", "all")]
    named += [("region", "South, far"), ("plant_type", "solar")]
    known = ISSUED[season] + 9 * DAY + place.number * HOUR
    for dimension, key in named:
        yield ask_total(dimension, key, "day", **month(change), zone=place.zone)
        yield ask_total(dimension, key, "month", **months(change), zone=place.zone)
        yield ask_total(dimension, key, 60, **week(change))
        yield ask_total(dimension, key, "day", **week(change), zone=place.zone, completeness=1, measure_unit="MWh")
        for axis in ({"known_at": known}, {"date": known}, {"date": LATER[1] + DAY, "known_at": known}):
            yield ask_total(dimension, key, "day", **week(change), zone=place.zone, **axis)
        yield ask_total(dimension, key, "day", **week(change), zone=place.zone, offset=(change - known) // MINUTE)
        # Without an offset the times are those of the zone asked for.
        yield ask_total(dimension, key, "day", from_="2026-03-01", to="2026-04-30T12:00", zone=place.zone)
        for period in CIVIL:
            yield ask_total(dimension, key, period, **week(change))
    yield ask_total("company", place.number, "day", **week(change), zone=place.zone, kind="actual", provider="Meter")
    yield ask_total("company", place.number, 60, **week(change), zone=place.zone, provider=SECOND_PROVIDER)


def many(place, change):
    """Many units at once: a civil day needs a zone where theirs differ."""
    alone, beside = [place.quarterly, place.hourly], [*(each.hourly for each in PLACES), place.quarterly]
    for unit_type, numbers in (
        ("PP", alone),
        ("PP", beside),
        ("CMP", [place.number, MIXED_COMPANY]),
        ("CMP", [place.number]),
    ):
        for period in PERIODS:
            for words in ({}, {"zone": place.zone}, {"known_at": ISSUED[1] + 5 * DAY, "zone": ELSEWHERE}):
                around = {"from_": change - DAY, "to": change + DAY} if period == 60 else month(change)
                words = {"period": period, "completeness": 0} | shown(around | words)
                body = {"providerKey": PROVIDER, "unitType": unit_type, "unitIds": numbers, "query": words}
                yield {"path": "/api/v2.0/production-forecast/GetLatestMulti", "asked": body}


def wall_times(place):
    """Times of the wall around every change of any zone; they are read in the zone of the unit."""
    units = (("PP", place.hourly), ("CMP", place.number))
    for name in ZONES:
        for change, before, after in zone(name).changes():
            for unit, wall in ((unit, wall) for unit in units for wall in walls(change, before, after)):
                yield ask(unit, "day", from_=wall, to=change + 4 * DAY)
            for wall in walls(change, before, after):
                yield ask(units[0], 60, from_=change - 2 * DAY, to=wall, zone="America/New_York")
                yield ask(units[0], "day", "latest-by-date", **week(change), date=wall)
                yield ask(units[0], "day", **week(change), known_at=wall, completeness=0)
                # A total has no zone but that of the answer.
                yield ask_total("company", place.number, "day", from_=wall, to=change + 4 * DAY, zone=place.zone)


def odd_zones():
    """Midnights that are absent or come twice, and offsets of three quarters of an hour."""
    units = ("PP", PLACES[1].hourly), ("PP", PLACES[3].quarterly), ("CMP", MIXED_COMPANY)
    for name in ODD_ZONES:
        for change, before, after in zone(name).changes() or zone(ELSEWHERE).changes():
            for unit, period in itertools.product(units, PERIODS):
                yield ask(unit, period, **week(change), zone=name, completeness=0)
                yield ask(unit, period, **week(change), zone=name, measure_unit="kWh")
            for wall in walls(change, before, after):
                yield ask_total("company", MIXED_COMPANY, "day", from_=wall, to=change + 4 * DAY, zone=name)
                yield ask_total("group", GROUP, 60, from_=change - DAY, to=wall, zone=name)


def walls(change, before, after):
    """What clocks show, or do not, around a change: its ends, half an hour and an hour on."""
    ends = {change + before * MINUTE, change + after * MINUTE}
    low, high = min(ends), max(ends)
    for wall in (low - MICROS, low, low + 15 * MINUTE, low + 30 * MINUTE, high - MICROS, high, high + 30 * MINUTE):
        yield show_instant(wall)[:-1]
    yield show_instant(low)[:10]
    yield show_instant(low)[:16]


def others(place):
    """Without a range or with half of one, other providers, metered values, own curves of a company."""
    plants = ("PP", place.hourly), ("PP", place.quarterly)
    for unit in (*plants, ("CMP", place.number), ("CMP", MIXED_COMPANY), ("GRP", GROUP)):
        for period in PERIODS:
            yield ask(unit, period)
            yield ask(unit, period, zone="Australia/Lord_Howe")
            yield ask(unit, period, from_="2026-10-24T12:00", completeness=0)
            yield ask(unit, period, to="2026-10-26", completeness=0)
            yield ask(unit, period, from_="2026-10-01", to="2026-11-01T00:00:00")
            yield ask(unit, period, from_="2026-03-01", to="2026-04-01", zone="Europe/Berlin")
    for change in place.changes():
        for period in (15, *PERIODS):
            around = (months if period == "month" else week)(change) | {"completeness": 0}
            yield ask(plants[0], period, provider=SECOND_PROVIDER, **around)
            for words in (around, around | {"known_at": ISSUED[1] + 11 * DAY}):
                yield {"path": f"/api/v2.0/actuals/PP/{place.hourly}?{query(period, words)}"}
    change, company = place.changes()[1], ("CMP", PLACES[1].number)
    for period in PERIODS:
        own = (months if period == "month" else week)(change) | {"own": "true", "completeness": 0}
        yield ask(company, period, **own, zone=place.zone)
        yield ask(company, period, "latest-by-date", **own, date=ISSUED[1] + 3 * DAY)
        for offset in (0, (change - ISSUED[1] - 2 * DAY) // MINUTE):
            yield ask(company, period, "latest-by-production-time-offset", **own, offset=offset)


if __name__ == "__main__":
    main()
