"""Zones as tables of wall clocks, made by looking at the clock every quarter of an hour.

`zoneinfo` says what a clock shows at an instant and nothing else: a civil day is the run of
quarters that show one date, a local time names the instants at which the clock shows it. No rule
of a calendar is used, so none can be got wrong. (No clock of these years moves by less.)
"""

import datetime
import functools
import itertools
from zoneinfo import ZoneInfo

from quantity import DAY, EPOCH, MINUTE, Unreadable, read_instant, show_instant

QUARTER = 15 * MINUTE
FIRST = read_instant("2025-11-30T00:00:00Z")
LAST = read_instant("2027-02-02T00:00:00Z")


class NoInstant(ValueError):
    """A local time the clocks showed twice or never; `str` is the code of the refusal."""


class Zone:
    """An IANA zone."""

    def __init__(self, name):
        self.name, self.info = name, ZoneInfo(name)

    def at(self, instant):
        """The instant as a datetime of this zone."""
        return (EPOCH + datetime.timedelta(microseconds=instant)).astimezone(self.info)

    def wall(self, instant):
        """What the clock on the wall shows."""
        return self.at(instant).replace(tzinfo=None)

    def offset(self, instant):
        """Minutes by which the wall is ahead of UTC."""
        return int(self.at(instant).utcoffset() / datetime.timedelta(minutes=1))

    def show(self, instant):
        """RFC 3339 with the offset of this zone."""
        offset = self.offset(instant)
        return show_instant(instant, offset) if offset else show_instant(instant).replace("Z", "+00:00")

    def read(self, text):
        """The instant a text with an offset names, or the one at which this wall shows it."""
        try:
            return read_instant(text)
        except Unreadable:
            pass
        instants = self.instants(datetime.datetime.fromisoformat(text))
        if len(instants) != 1:
            raise NoInstant("AMBIGUOUS_LOCAL_TIME" if instants else "NONEXISTENT_LOCAL_TIME")
        return instants[0]

    def instants(self, wall):
        """Every instant at which the wall shows a time."""
        near = (wall.replace(tzinfo=datetime.timezone.utc) - EPOCH) // datetime.timedelta(microseconds=1)
        offsets = {self.offset(near + days * DAY) for days in (-1, 0, 1)}
        candidates = [near - offset * MINUTE for offset in sorted(offsets)]
        return sorted(instant for instant in candidates if self.wall(instant) == wall)

    @functools.lru_cache(maxsize=None)
    def slots(self, period):
        """[(start, end)] of the civil days or months between FIRST and LAST."""
        digits = {"day": 10, "month": 7}[period]
        quarters = range(FIRST, LAST, QUARTER)
        runs = itertools.groupby(quarters, key=lambda instant: self.wall(instant).isoformat()[:digits])
        starts = [next(run) for _, run in runs]
        # The first run was cut off by the table.
        return list(itertools.pairwise(starts))[1:]

    def two_days(self, instant):
        """[start, end) of the civil day that holds an instant and of the one after it."""
        days = self.slots("day")
        place = next(place for place, (start, end) in enumerate(days) if start <= instant < end)
        return days[place][0], days[place + 1][1]

    @functools.lru_cache(maxsize=None)
    def changes(self):
        """[(instant, minutes before, minutes after)] of every change of the clock in 2026."""
        year = range(read_instant("2026-01-01T00:00:00Z"), read_instant("2027-01-01T00:00:00Z"), QUARTER)
        offsets = [(instant, self.offset(instant)) for instant in year]
        return [
            (after[0], before[1], after[1]) for before, after in itertools.pairwise(offsets) if before[1] != after[1]
        ]


@functools.lru_cache(maxsize=None)
def zone(name):
    return Zone(name)


def slots_in(zone, period, start, end):
    """[(start, end)] of the slots that begin in [start, end): minutes are aligned in UTC."""
    if period in ("day", "month"):
        return [slot for slot in zone.slots(period) if start <= slot[0] < end]
    width = period * MINUTE
    return [(begin, begin + width) for begin in range(-(-start // width) * width, end, width)]
