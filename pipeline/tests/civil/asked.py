"""What the path of a request asks for."""

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
    total = None
    if unit_type in ALL_TOTALS and words.get("own") != "true":
        total = (ALL_TOTALS[unit_type], unit_no)
    return Asked((unit_type, int(unit_no)), total, "forecast", unquote(provider), read, words)
