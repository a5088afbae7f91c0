"""A seeded long-format folder: plants in five zones, whose curves lie around the changes of their clocks.

Each zone has two plants and a company; one company has plants of three zones, a group has them all.
Curves of 5, 15, 30 and 60 minutes lie over each other, with gaps of minutes and of days, nulls, a
batch that is withdrawn, one that only counts later, and plants that are sold within a slot.
"""

import csv
import random
from dataclasses import dataclass

from quantity import DAY, HOUR, MICROS, MINUTE, read_instant, show_instant
from zones import zone

# Where the clocks stand still, a change of somebody else's is looked at.
ZONES = ("Europe/Istanbul", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
ELSEWHERE = "Europe/Berlin"
MIXED_COMPANY, MIXED_ZONE = 6, "Asia/Kolkata"
GROUP, GROUP_ZONE = 1, "America/New_York"
PROVIDER, SECOND_PROVIDER = "FinalForecast", "User Forecast/2"
# The last batch sets the clock: the evening before Berlin's change, so that today and tomorrow hold it.
CLOCK = read_instant("2026-10-24T20:15:00Z")
ISSUED = (read_instant("2026-02-10T05:00:00Z"), read_instant("2026-09-10T05:00:00Z"))
LATER = (read_instant("2026-03-20T00:00:00Z"), read_instant("2026-10-30T00:00:00Z"))

COLUMNS = ["unit_type", "unit_no", "provider", "kind", "valid_after", "recorded", "delivery_start"]
COLUMNS += ["period_minutes", "measure_unit", "value", "batch"]
UNIT_COLUMNS = ["unit_type", "unit_no", "name", "plant_type", "zone", "region", "valid_from"]
MEMBERSHIP_COLUMNS = ["parent_type", "parent_no", "child_type", "child_no", "valid_from", "valid_to", "recorded"]


@dataclass
class Place:
    """A zone with its plants and its company."""

    number: int
    zone: str

    @property
    def hourly(self):
        return 10 * self.number + 1

    @property
    def quarterly(self):
        return 10 * self.number + 2

    def changes(self):
        """The change of spring and that of autumn."""
        changes = zone(self.zone).changes() or zone(ELSEWHERE).changes()
        return [instant for instant, _, _ in changes]


PLACES = [Place(number, name) for number, name in enumerate(ZONES, 1)]


class Writer:
    """The batches of a folder, row by row."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.rows, self.withdrawals = [], []

    def batch(self, name, unit, recorded, curves, provider=PROVIDER, kind="", valid_after=None, measure="MW"):
        """One save: `curves` are (period, start, end, share of slots left out, share of nulls)."""
        times = "" if valid_after is None else show_instant(valid_after), show_instant(recorded)
        for period, start, end, gaps, nulls in curves:
            for instant in self.given(period, start, end, gaps):
                value = "" if self.rng.random() < nulls else self.value(measure)
                row = (*unit, provider, kind, *times, show_instant(instant), period, measure, value, name)
                self.rows.append(row)

    def given(self, period, start, end, gaps):
        """Slots with gaps of one slot, of hours, and of more than a day."""
        width = period * MINUTE
        instant = start // (60 * MINUTE) * 60 * MINUTE
        while instant < end:
            if self.rng.random() < gaps * period / 60:
                instant += self.rng.choice((1, 1, 1, 2, 3, 7, 24 * 60 // period, 30 * 60 // period)) * width
                continue
            yield instant
            instant += width

    def value(self, measure):
        """Mostly with all its decimals, now and then negative."""
        digits = 5 if measure in ("MW", "MWh") else 2
        scale = 40 if digits == 5 else 40_000
        return f"{self.rng.uniform(-scale / 8, scale):.{digits}f}"


def write_folder(seed, out):
    """All files of the folder."""
    out.mkdir(parents=True)
    writer = Writer(seed)
    for place in PLACES:
        for season, change in enumerate(place.changes()):
            hourly_plant(writer, place, season, change)
            quarterly_plant(writer, place, season, change)
    own_series(writer)
    clock = [(60, read_instant("2026-12-31T00:00:00Z"), read_instant("2026-12-31T01:00:00Z"), 0, 0)]
    writer.batch("clock", ("PP", PLACES[0].hourly), CLOCK, clock)
    write_csv(out / "forecasts.csv", COLUMNS, writer.rows)
    write_csv(out / "withdrawals.csv", ["batch", "recorded"], writer.withdrawals)
    write_csv(out / "units.csv", UNIT_COLUMNS, units())
    write_csv(out / "memberships.csv", MEMBERSHIP_COLUMNS, memberships())


def span(change):
    """A month around a change, and the whole months it touches in any zone."""
    return change - 32 * DAY, change + 34 * DAY


def hourly_plant(writer, place, season, change):
    """Hours, five-minute values over them, then hours again over a part of those."""
    unit, issued = ("PP", place.hourly), ISSUED[season] + place.number * HOUR
    name = f"{place.hourly}-{season}"
    start, end = span(change)
    writer.batch(f"{name}-a", unit, issued, [(60, start, end, 0.004, 0)])
    stretch = (change - 40 * HOUR, change + 40 * HOUR)
    writer.batch(f"{name}-fine", unit, issued + 4 * DAY, [(5, *stretch, 0.05, 0.02)], measure="kW")
    again = [(60, change - 9 * HOUR, change + 9 * HOUR, 0.1, 0.1), (60, change + 3 * DAY, change + 9 * DAY, 0.1, 0.1)]
    writer.batch(f"{name}-again", unit, issued + 8 * DAY, again, measure="MWh")
    second = [(15, change - 2 * DAY, change + 2 * DAY, 0.01, 0)]
    writer.batch(f"{name}-second", unit, issued + 9 * DAY, second, provider=SECOND_PROVIDER)
    meter = [(60, change - 2 * DAY, change + 2 * DAY, 0.01, 0)]
    writer.batch(f"{name}-meter", unit, issued + 10 * DAY, meter, provider="Meter", kind="actual", measure="kWh")


def quarterly_plant(writer, place, season, change):
    """Quarters with patches of half hours, of two periods in one batch, withdrawn, and of later."""
    unit, issued = ("PP", place.quarterly), ISSUED[season] + place.number * HOUR
    name = f"{place.quarterly}-{season}"
    start, end = span(change)
    writer.batch(f"{name}-a", unit, issued, [(15, start, end, 0.006, 0.0005)])
    patches = [(30, change - 3 * DAY, change + 5 * DAY, 0.3, 0.05)]
    # Counts only from a day and a half after it was known.
    writer.batch(f"{name}-patch", unit, issued + 3 * DAY, patches, valid_after=issued + 3 * DAY + 36 * HOUR)
    both = [(15, change + 5 * DAY, change + 7 * DAY, 0.3, 0.1), (60, change + 5 * DAY, change + 7 * DAY, 0.1, 0.1)]
    writer.batch(f"{name}-both", unit, issued + 6 * DAY, both, measure="kWh")
    taken_back = [(60, change - 30 * HOUR, change + 30 * HOUR, 0.02, 0.02)]
    writer.batch(f"{name}-back", unit, issued + 9 * DAY, taken_back)
    writer.withdrawals.append((f"{name}-back", show_instant(issued + 13 * DAY)))
    later = [(15, change - DAY, change + DAY, 0.02, 0.02)]
    writer.batch(f"{name}-later", unit, issued + 11 * DAY, later, valid_after=LATER[season])


def own_series(writer):
    """A company that forecasts for itself, which no total may hold."""
    change = PLACES[1].changes()[1]
    curves = [(60, change - 2 * DAY, change + 2 * DAY, 0, 0)]
    writer.batch("own", ("CMP", PLACES[1].number), ISSUED[1] + 2 * DAY, curves)


def units():
    """Plants of the same type in several zones; one moves to another region within a day."""
    moved = show_instant(PLACES[1].changes()[0] + 9 * HOUR + 20 * MINUTE)
    for place in PLACES:
        for unit_no, plant_type in ((place.hourly, "wind"), (place.quarterly, "solar")):
            region = "North" if place.number < 4 else "South, far"
            yield "PP", unit_no, f"plant {unit_no}", plant_type, place.zone, region, ""
            if unit_no == PLACES[1].quarterly:
                yield "PP", unit_no, f"plant {unit_no}", plant_type, place.zone, "South, far", moved
        yield "CMP", place.number, f"company {place.number}", "", place.zone, "", ""
    yield "CMP", MIXED_COMPANY, "mixed company", "", MIXED_ZONE, "", ""
    yield "GRP", GROUP, "group", "", GROUP_ZONE, "", ""


def memberships():
    """Whose is what: one of each two plants is sold in spring, and in three places comes back in autumn."""
    for place in PLACES:
        company, spring, autumn = ("CMP", place.number), *place.changes()
        # Within a slot of every period, and in one place within a minute.
        sold = show_instant(spring + 7 * HOUR + 20 * MINUTE + (30 * MICROS if place.number == 2 else 0))
        back = show_instant(autumn - 5 * HOUR - 10 * MINUTE)
        yield *company, "PP", place.hourly, "", "", ""
        yield *company, "PP", place.quarterly, "", sold, ""
        yield "CMP", MIXED_COMPANY, "PP", place.quarterly, sold, back if place.number < 4 else "", ""
        if place.number < 4:
            yield "CMP", MIXED_COMPANY, "PP", place.hourly, "", "", ""
            yield *company, "PP", place.quarterly, back, "", ""
        yield "GRP", GROUP, *company, "", "", ""
    yield "GRP", GROUP, "PP", PLACES[4].quarterly, "", "", ""
    # Known only when half of the days have passed.
    joined = show_instant(PLACES[4].changes()[0] - 2 * DAY + 45 * MINUTE)
    yield "CMP", PLACES[4].number, "PP", PLACES[0].hourly, joined, "", show_instant(ISSUED[0] + 20 * DAY)


def write_csv(path, columns, records):
    with open(path, "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(columns)
        lines.writerows(records)
