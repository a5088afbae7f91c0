"""What `export resolved` shows: one curve of each unit and provider over all its periods.

A day is a list of 1,440 minutes, and each minute holds the newest value that covers it. Power at
a period is the mean of its minutes, those that nothing covers counting as nothing.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

from latest import counting, picture
from quantity import DAY, MINUTE, round_half_away

MINUTES = DAY // MINUTE


@dataclass
class ResolvedRow:
    """One row of `export resolved`; the value is None where too little is covered."""

    kind: str
    unit_type: str
    unit_no: int
    provider: str
    period_minutes: int
    delivery_start: int
    value: object
    coverage: float

    @property
    def identity(self):
        return (self.kind, self.unit_type, self.unit_no, self.provider, self.period_minutes, self.delivery_start)


@dataclass
class Curve:
    """A day of a unit, provider and kind."""

    grid: int
    values: list  # of each minute; None where nothing is forecast


def resolved(books, valid_at=None, known_at=None, period=None, completeness=0.0):
    """The rows of the export, at a period or each day at its own grid."""
    rows = []
    for (kind, unit, provider, day), curve in curves(books, *picture(books, valid_at, known_at)).items():
        width = period or curve.grid
        for start in range(0, MINUTES, width):
            covered = [value for value in curve.values[start : start + width] if value is not None]
            if covered:
                value, coverage = mean(sum(covered), width), len(covered) / width
                shown = None if coverage < completeness else value
                rows.append(ResolvedRow(kind, *unit, provider, width, day + start * MINUTE, shown, coverage))
    return rows


def mean(energy, minutes):
    """The power that gives an energy (value × minutes) in so many minutes, rounded once."""
    return round_half_away(Fraction(energy, minutes))


def curves(books, reference, knowledge):
    """{(kind, unit, provider, day): curve} of every day on which a revision counts, nulls too."""
    periods, newest = {}, {}
    for (kind, unit, provider, period, delivery_start), revisions in books.slots.items():
        revisions = counting(revisions, reference, knowledge)
        if not revisions:
            continue
        day = delivery_start // DAY * DAY
        series_day = (kind, unit, provider, day)
        periods.setdefault(series_day, set()).add(period)
        minutes = newest.setdefault(series_day, [None] * MINUTES)
        first = (delivery_start - day) // MINUTE
        for minute in range(first, first + period):
            minutes[minute] = newer(minutes[minute], (revisions[-1].order, -period, revisions[-1].value))
    return {
        series_day: Curve(math.gcd(*periods[series_day]), [each and each[2] for each in minutes])
        for series_day, minutes in newest.items()
    }


def newer(one, other):
    """The one of the greater (valid_after, sequence); of one batch the finer."""
    return other if one is None or other[:2] > one[:2] else one
