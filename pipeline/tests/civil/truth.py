"""What every question has to be answered, minute by minute: contract sections 2, 3 and 5.

A day of UTC is 1,440 minutes, each with the power that is forecast, the plants that belong and
those that report; a unit is a total of one. A slot is the minutes it holds, whatever made its
edges, and each number of it is rounded once from exact fractions.
"""

import functools
from dataclasses import dataclass, field
from fractions import Fraction
from types import SimpleNamespace

from cells import cells_of, read_unit_key
from hierarchy import Hierarchy
from latest import counting, picture, row_shown
from long_format import read_folder
from quantity import DAY, ENERGY_UNITS, HOUR, HUNDREDTHS_PER_UNIT, MINUTE, round_half_away
from resolved import MINUTES, curves
from saving import Rules, save_folder
from zones import NoInstant, slots_in, zone


@dataclass
class Prediction:
    """A slot that has an answer; the value is in the measure unit asked for."""

    start: int
    end: int
    value: object
    coverage: Fraction
    members: int
    reporting: int
    recorded: object  # of the row shown, where the slot is one that was saved


@dataclass
class Expected:
    """The answer to one question: predictions, or a refusal with the word it is about."""

    status: int = 200
    code: str = ""
    about: str = ""
    predictions: list = field(default_factory=list)
    shown_in: object = None  # the zone of the instants in the answer; None: UTC
    known_at: object = None


@dataclass
class Minutes:
    """A day of UTC."""

    power: list
    members: list
    reporting: list

    def add(self, there, values):
        """One more plant: when it belongs, and what it says then."""
        self.power = [power + (value or 0) for power, value in zip(self.power, values)]
        self.members = [members + belongs for members, belongs in zip(self.members, there)]
        self.reporting = [reporting + (value is not None) for reporting, value in zip(self.reporting, values)]


NOTHING = [None] * MINUTES


class World:
    """Everything a folder says."""

    def __init__(self, folder):
        self.books = save_folder(read_folder(folder), Rules())
        self.zones = {read_unit_key(cells): zone(cells["zone"]) for cells in cells_of(folder / "units.csv")}
        self.periods = {}  # (kind, unit, provider) -> the periods of its series
        self.series_days = {}  # (kind, unit, provider, day) -> its part of the books
        for slot, revisions in self.books.slots.items():
            kind, unit, provider, period, delivery_start = slot
            self.periods.setdefault((kind, unit, provider), set()).add(period)
            series_day = (kind, unit, provider, delivery_start // DAY * DAY)
            self.series_days.setdefault(series_day, {})[slot] = revisions

    def answers(self, reads):
        """The answer to each read of a question, or one refusal of all of them."""
        try:
            homes = {self.zones[asked.unit].name for asked in reads if asked.unit}
            needs_zone = reads[0].period in ("day", "month") and "zone" not in reads[0].words
            if needs_zone and len(homes) != 1:
                raise Refused(400, "VALIDATION_ERROR", "zone")
            return [self.predictions(asked) for asked in reads]
        except Refused as refused:
            return [refused.expected]

    def answer(self, asked):
        """The answer to a question of one read."""
        [expected] = self.answers([asked])
        return expected

    def predictions(self, asked):
        words = asked.words
        home = self.zones.get(asked.unit) or zone(words.get("zone", "UTC"))
        instants = {name: read_time(home, name, words) for name in ("from", "to", "date", "known_at")}
        start, end = complete(home, instants["from"], instants["to"], self.books.clock)
        reference, knowledge = picture(self.books, instants["date"], instants["known_at"])
        shown_in = zone(words["zone"]) if "zone" in words else None
        found = []
        for slot in slots_in(shown_in or home, asked.period, start, end):
            if asked.read == "latest-by-production-time-offset":
                reference = slot[0] - int(words["offset"]) * MINUTE
            prediction = self.prediction(asked, *slot, reference, knowledge)
            found += [prediction] if prediction else []
        known_at = knowledge if "known_at" in words else None
        return Expected(predictions=found, shown_in=shown_in, known_at=known_at)

    def prediction(self, asked, start, end, reference, knowledge):
        """One slot; None where nobody reports."""
        energy, members, reporting = 0, [], []
        for day in range(start // DAY * DAY, end, DAY):
            minutes = self.minutes(asked, day, reference, knowledge)
            part = slice(max(start - day, 0) // MINUTE, min(end - day, DAY) // MINUTE)
            energy += sum(minutes.power[part])
            members += minutes.members[part]
            reporting += minutes.reporting[part]
        if not any(reporting):
            return None
        hours = Fraction(1, 60) if asked.measure_unit in ENERGY_UNITS else Fraction(1, (end - start) // MINUTE)
        value = Fraction(round_half_away(energy * hours), HUNDREDTHS_PER_UNIT[asked.measure_unit])
        coverage = Fraction(sum(reporting), sum(members))
        shown = None if coverage < asked.completeness else value
        recorded = self.recorded(asked, start, reference, knowledge)
        return Prediction(start, end, shown, coverage, max(members), max(reporting), recorded)

    def recorded(self, asked, start, reference, knowledge):
        """Since when the value is known; slots of the only period there is pass through as they were saved."""
        if asked.total or self.periods.get((asked.kind, asked.unit, asked.provider)) != {asked.period}:
            return None
        revisions = self.books.slots[asked.kind, asked.unit, asked.provider, asked.period, start]
        return row_shown(counting(revisions, reference, knowledge)).batch.head.recorded

    def minutes(self, asked, day, reference, knowledge):
        if asked.total:
            return self.minutes_of_total(asked.total, asked.kind, asked.provider, day, reference, knowledge)
        return self.minutes_of_unit(asked.unit, asked.kind, asked.provider, day, reference, knowledge)

    @functools.lru_cache(maxsize=None)
    def minutes_of_unit(self, unit, kind, provider, day, reference, knowledge):
        minutes = Minutes([0] * MINUTES, [0] * MINUTES, [0] * MINUTES)
        minutes.add([True] * MINUTES, self.curve(unit, kind, provider, day, reference, knowledge))
        return minutes

    @functools.lru_cache(maxsize=None)
    def minutes_of_total(self, total, kind, provider, day, reference, knowledge):
        belonging = [at.get(total, set()) for at in self.belonging(knowledge, day)]
        minutes = Minutes([0] * MINUTES, [0] * MINUTES, [0] * MINUTES)
        for plant in set().union(*belonging):
            values = self.curve(plant, kind, provider, day, reference, knowledge)
            there = [plant in plants for plants in belonging]
            minutes.add(there, [value if belongs else None for value, belongs in zip(values, there)])
        return minutes

    @functools.lru_cache(maxsize=None)
    def curve(self, unit, kind, provider, day, reference, knowledge):
        """The newest value that covers each minute."""
        slots = self.series_days.get((kind, unit, provider, day), {})
        found = curves(SimpleNamespace(slots=slots), reference, knowledge).values()
        return next(iter(found)).values if found else NOTHING

    @functools.lru_cache(maxsize=None)
    def belonging(self, knowledge, day):
        return self.hierarchy(knowledge).totals_of_day(day)

    @functools.lru_cache(maxsize=None)
    def hierarchy(self, knowledge):
        return Hierarchy(self.books, knowledge)


class Refused(Exception):
    def __init__(self, status, code, about):
        super().__init__(code)
        self.expected = Expected(status, code, about)


def read_time(home, name, words):
    """The instant of a query word; None where it is not given."""
    if name not in words:
        return None
    try:
        return home.read(words[name])
    except NoInstant as fault:
        raise Refused(422, str(fault), name) from fault


def complete(home, start, end, clock):
    """The range, two civil days long where an end is missing; without any, today and tomorrow."""
    if start is None and end is None:
        return home.two_days(clock)
    if end is None:
        return start, home.two_days(start)[1]
    if start is None:
        last = home.two_days(end - 1)[0]
        return home.two_days(last - 1)[0], end
    return start, end


def hours_of(prediction):
    """The length of a slot in hours."""
    return Fraction(prediction.end - prediction.start, HOUR)
