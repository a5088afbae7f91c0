"""What the path and the body of a request ask for."""

from dataclasses import dataclass
from fractions import Fraction
from urllib.parse import parse_qsl, unquote, urlsplit

from quantity import MW, read_measure_unit

UNITS, TOTALS, ACTUALS = "/api/v2.0/production-forecast/", "/api/v2.0/totals/", "/api/v2.0/actuals/"
ALL_TOTALS = {"CMP": "company", "GRP": "group"}


@dataclass
class Asked:
    """A read of a unit, or of a total; `unit` is None where the total was asked for by its name."""

    unit: object
    total: object  # (dimension, key); None for a unit's own series
    kind: str
    provider: str
    read: str  # latest, latest-by-date, latest-by-production-time-offset
    words: dict

    @property
    def period(self):
        period = self.words["period"]
        return int(period) if period.isdigit() else period

    @property
    def measure_unit(self):
        return read_measure_unit(self.words["measure-unit"]) if "measure-unit" in self.words else MW

    @property
    def completeness(self):
        return Fraction(self.words.get("completeness", "0" if self.total else "1"))

    @property
    def details(self):
        return self.words.get("no-details", "false") != "true"


def read_question(question):
    """The reads of a question: one, or one a unit where a body names several."""
    if "asked" not in question:
        return [read_path(question["path"])]
    body = question["asked"]
    words = {name: str(word) for name, word in body["query"].items()}
    read = "latest-by-production-time-offset" if "offset" in words else "latest"
    units = [(body["unitType"], number) for number in body["unitIds"]]
    return [Asked(unit, total_of(unit, words), "forecast", body["providerKey"], read, words) for unit in units]


def read_path(path):
    """The request behind a path with its query words."""
    split = urlsplit(path)
    words = dict(parse_qsl(split.query, keep_blank_values=True, strict_parsing=bool(split.query)))
    if split.path.startswith(TOTALS):
        dimension, key, provider = map(unquote, split.path.removeprefix(TOTALS).split("/"))
        read = "latest-by-production-time-offset" if "offset" in words else "latest"
        return Asked(None, (dimension, key), words.get("kind", "forecast"), provider, read, words)
    if split.path.startswith(ACTUALS):
        unit_type, unit_no = split.path.removeprefix(ACTUALS).split("/")
        return Asked((unit_type, int(unit_no)), None, "actual", words.get("provider", "Meter"), "latest", words)
    provider, unit_type, unit_no, _forecasts, read = split.path.removeprefix(UNITS).split("/")
    unit = (unit_type, int(unit_no))
    return Asked(unit, total_of(unit, words), "forecast", unquote(provider), read, words)


def total_of(unit, words):
    """What the name of a company or group stands for: the sum of its plants, unless its own is asked for."""
    unit_type, unit_no = unit
    return (ALL_TOTALS[unit_type], str(unit_no)) if unit_type in ALL_TOTALS and words.get("own") != "true" else None
