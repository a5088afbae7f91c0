"""Which plants belong to which total, by what is known: contract section 5.

Nothing is kept up to date here. The statements known are laid side by side, and for an instant
every total is made from all of them again; a day is asked for at each of its minutes. Asking at
whole minutes is what rounds an edge up: who enters at 10:00:30 is first there at 10:01.
"""

from long_format import Membership
from quantity import DAY, MINUTE

MINUTES = DAY // MINUTE


class Hierarchy:
    """The versions of plants and the memberships that are known."""

    def __init__(self, books, knowledge):
        self.versions = {}  # plant -> {valid_from: its version}
        self.memberships = {}  # (parent, child, valid_from) -> membership
        # The plants a folder without units names, from always on.
        self.named = set()
        for statement in books.statements:  # a later one of the same key replaces the earlier
            if statement.recorded > knowledge:
                continue
            if isinstance(statement, Membership):
                self.memberships[statement.parent, statement.child, statement.valid_from] = statement
            else:
                self.versions.setdefault(statement.unit, {})[statement.valid_from] = statement
        if books.units is None:
            self.named = {unit for unit, recorded in books.first_named.items() if recorded <= knowledge}

    def totals_at(self, instant):
        """{(dimension, key): the plants that belong}; a total without a plant is not there."""
        totals = {}

        def put(dimension, key, plant):
            if plant[0] == "PP" and key:
                totals.setdefault((dimension, key), set()).add(plant)

        for plant in self.named:
            put("all", "all", plant)
        for plant, versions in self.versions.items():
            begun = [valid_from for valid_from in versions if valid_from <= instant]
            if begun:
                version = versions[max(begun)]
                put("all", "all", plant)
                put("region", version.region, plant)
                put("plant_type", version.plant_type, plant)
        pairs = {(each.parent, each.child) for each in self.memberships.values() if holds(each, instant)}
        for parent, child in pairs:
            if parent[0] == "CMP":
                put("company", str(parent[1]), child)
            elif parent[0] == "GRP":
                put("group", str(parent[1]), child)
                for company, plant in pairs:
                    if company == child and company[0] == "CMP":
                        put("group", str(parent[1]), plant)
        return totals

    def totals_of_day(self, day):
        """What `totals_at` says at each minute of the day that begins at an instant."""
        instants = {valid_from for versions in self.versions.values() for valid_from in versions}
        for membership in self.memberships.values():
            instants |= {membership.valid_from, membership.valid_to}
        changing = {-((day - instant) // MINUTE) for instant in instants}
        minutes = [self.totals_at(day)]
        for minute in range(1, MINUTES):
            # Between the instants somebody names nothing changes, and need not be made again.
            minutes.append(self.totals_at(day + minute * MINUTE) if minute in changing else minutes[-1])
        return minutes


def holds(membership, instant):
    return membership.valid_from <= instant < membership.valid_to


def edges(minutes, total):
    """The minutes of a day, its first not among them, at which a plant has entered or left."""
    return [
        minute
        for minute in range(1, MINUTES)
        if minutes[minute].get(total, set()) != minutes[minute - 1].get(total, set())
    ]
