"""What `export totals` shows: sums of resolved curves of the plants that belong, contract section 5.

A total's grid of a day is made from the grids of the plants that belong at some minute of it and
from its edges; membership is judged at the start of each slot of that grid.
"""

import math
from dataclasses import dataclass

from hierarchy import Hierarchy, edges
from latest import picture
from quantity import MINUTE
from resolved import MINUTES, curves, mean


@dataclass
class TotalsRow:
    """One row of `export totals`."""

    kind: str
    dimension: str
    key: str
    provider: str
    period_minutes: int
    delivery_start: int
    value: object  # None where too little is covered
    members: int
    reporting: int
    coverage: float

    @property
    def identity(self):
        return (self.kind, self.dimension, self.key, self.provider, self.period_minutes, self.delivery_start)


def totals(books, valid_at=None, known_at=None, period=None, completeness=0.0):
    """The rows of the export, at a period or each day of a total at its own grid."""
    reference, knowledge = picture(books, valid_at, known_at)
    hierarchy = Hierarchy(books, knowledge)
    reports = {}  # (kind, provider, day) -> {plant: curve}
    for (kind, unit, provider, day), curve in curves(books, reference, knowledge).items():
        if unit[0] == "PP":
            reports.setdefault((kind, provider, day), {})[unit] = curve
    belonging = {day: hierarchy.totals_of_day(day) for _, _, day in reports}
    edges_of = {
        (day, total): edges(minutes, total) for day, minutes in belonging.items() for total in set().union(*minutes)
    }
    rows = []
    for (kind, provider, day), plants in reports.items():
        minutes = belonging[day]
        for total in sorted(set().union(*minutes)):
            members = [at.get(total, set()) for at in minutes]
            ever = set().union(*members)
            grids = [curve.grid for plant, curve in plants.items() if plant in ever]
            if not grids:
                continue
            grid = math.gcd(*grids, *edges_of[day, total])
            for start, sums in slots(members, plants, grid, period or grid):
                value, most_members, most_reporting, coverage = sums
                shown = None if coverage < completeness else value
                head = (kind, *total, provider, period or grid, day + start * MINUTE)
                rows.append(TotalsRow(*head, shown, most_members, most_reporting, coverage))
    return rows


def slots(members, plants, grid, width):
    """(first minute, (value, members, reporting, coverage)) of each slot in which somebody reports."""
    piece = math.gcd(grid, width)
    for start in range(0, MINUTES, width):
        energy, belonging, reporting = 0, [], []
        for minute in range(start, start + width, piece):
            there = members[minute // grid * grid]
            values = [plants[plant].values[minute] for plant in there if plant in plants]
            values = [value for value in values if value is not None]
            energy += sum(values) * piece
            belonging.append(len(there))
            reporting.append(len(values))
        if any(reporting):
            coverage = sum(reporting) / sum(belonging)
            yield start, (mean(energy, width), max(belonging), max(reporting), coverage)
