"""Random saves for a small folder: few slots, many revisions, and every way to get one wrong.

Curves are drawn from a short palette and re-issued often, so that equal values, ties and late
versions meet in the same slots. A cell is an instant (whole microseconds) or the text to write;
faults are put in afterwards, so that a re-issue repeats the clean curve.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from quantity import DAY, ENERGY_UNITS, HOUR, HUNDREDTHS_PER_UNIT, MINUTE, MICROS, read_instant

FIRST_DAYS = ("2024-03-29", "2023-12-29", "2025-10-24", "2024-02-27", "1969-12-29")
DAYS = 6
PROVIDERS = ("FinalForecast", "UserForecast", "userforecast", "ForecastImport", "Météo İzmir", "q,\"90\"")
PERIODS = (5, 10, 15, 30, 60)
MEASURE_UNITS = (0, 1, 2, 3)
MEASURE_WORDS = {
    0: ("0", "kW", "KW", "kw"),
    1: ("1", "MW", "mw", "Mw", ""),
    2: ("2", "kWh", "KWH"),
    3: ("3", "MWh", "mWH"),
}
USERS = ("", "ayşe", "Bob", "système", "o'neil, \"jr\"")
NOTES = ("", "gün öncesi", "revised; see mail", "a \"quoted\", note", "two\nlines", "−5 °C")

# In hundredths of a kW: limits at the edge, the bound at the edge, and numbers that come again.
PALETTE = (0, 1, -1, 100_000, 250_000, 999_999, 1_000_000, 1_000_001, 1_234_567, -300_000, -300_001, 5_000_000)
HUGE = ("1e7", "-1000000.00001", "1e400", "-1e999999999", "9" * 40, "1000000", "-1000000", "1000000.000004", "1e-400")
HALVES = ("1.234565", "-1.234565", "0.000005", "-0.000005", "2.5", "0.125", "1.005", "10.00500", "-0")
BAD_VALUES = ("abc", "NaN", "inf", "-Infinity", "1,5", "--3", "1e", "0x10", "1 000", "nan")
BAD_PERIODS = (7, 20, 0, -15, 1, 45, 1440)
BAD_MEASURE_UNITS = ("GW", "7", "-1", "kW/h")
BAD_CELLS = {
    "unit_type": ("XX", "", "P P"),
    "unit_no": ("0", "-3", "abc", "", "1.5"),
    "provider": ("", "x" * 51),
    "kind": ("plan", "forecasts"),
    "delivery_start": ("yesterday", "", "2024-03-29T00:00:00", "2024-02-30T00:00:00Z", "2024-03-29T25:00:00Z")
    + (read_instant("1899-12-31T00:00:00Z"), read_instant("2200-06-01T00:00:00Z")),
    "period_minutes": ("x", "", "7.5"),
    "recorded": ("soon", "2024-03-29 00:00"),
    "valid_after": ("never", "2024-13-01T00:00:00Z"),
}


@dataclass
class World:
    """What the saves of one folder have in common."""

    rng: object
    edge: bool  # also cases the contract says nothing about
    first_day: int
    recorded_pool: list
    series: list  # (kind, unit, provider, period)
    batches: list = field(default_factory=list)  # Draft, clean
    wide: bool = False  # longer curves of more units, for totals to have something to add


@dataclass
class Draft:
    """A save before it becomes rows: {(unit, period): {delivery_start: hundredths or None}}."""

    kind: str
    provider: str
    curves: dict


def make_world(rng, edge, size):
    """A short list of series and of instants, for everything to collide in."""
    first_day = read_instant(rng.choice(FIRST_DAYS) + "T00:00:00Z")
    pool = [first_day + rng.randrange(-24, 24 * DAYS) * HOUR for _ in range(max(4, size // 3))]
    pool += [instant + rng.randrange(HOUR) for instant in rng.sample(pool, len(pool) // 3)]
    pool += [instant + rng.randrange(3600) * MICROS for instant in rng.sample(pool, len(pool) // 3)]
    units = [("PP", number) for number in range(1, rng.randint(2, 5))]
    units += [("CMP", number) for number in range(1, rng.randint(1, 3))] + [("GRP", 1)] * rng.randint(0, 1)
    providers = rng.sample(PROVIDERS, rng.randint(1, 4))
    series = []
    for unit in units:
        for provider in rng.sample(providers, rng.randint(1, min(2, len(providers)))):
            kind = "actual" if rng.random() < 0.2 else "forecast"
            series += [(kind, unit, provider, period) for period in rng.sample(PERIODS, rng.randint(1, 3))]
    return World(rng, edge, first_day, sorted(pool), series)


def rows_of_save(world, number):
    """The rows of one save, faults included."""
    rng = world.rng
    draft = reissue(world) if world.batches and rng.random() < 0.4 else fresh(world)
    world.batches.append(draft)
    recorded = rng.choice(world.recorded_pool)
    head = head_of(world, draft, number, recorded)
    measure_unit = rng.choice(MEASURE_UNITS)
    rows = []
    for (unit, period), curve in draft.curves.items():
        for delivery_start, hundredths in curve.items():
            word = rng.choice(MEASURE_WORDS[measure_unit])
            value = value_text(rng, hundredths, measure_unit, period)
            slot = {"unit_type": unit[0], "unit_no": str(unit[1]), "period_minutes": str(period)}
            rows.append(head | slot | {"delivery_start": delivery_start, "measure_unit": word, "value": value})
    for _ in range(rng.choice((0, 0, 1, 2))):
        rng.choice(FAULTS)(world, rows)
    if rng.random() < 0.2:
        rng.shuffle(rows)
    return rows


def head_of(world, draft, number, recorded):
    """The cells all rows of a save share."""
    rng = world.rng
    valid_after = draw_valid_after(world, recorded)
    if valid_after == recorded and rng.random() < 0.3:
        valid_after, recorded = rng.choice((("", recorded), (recorded, "")))
    named = rng.random() > 0.15
    text = rng if named or world.edge else NotesByHead(valid_after, recorded)
    return {
        "provider": draft.provider,
        "kind": "" if draft.kind == "forecast" and rng.random() < 0.1 else draft.kind,
        "valid_after": valid_after,
        "recorded": recorded,
        "batch": rng.choice((f"b{number}", f"gün/{number}", f"{number}, 'x'")) if named else "",
        "user": text.choice(USERS),
        "note": text.choice(NOTES),
    }


class NotesByHead:
    """Unnamed saves that may become one batch by standing side by side get equal notes."""

    def __init__(self, valid_after, recorded):
        given = [instant for instant in (valid_after, recorded) if instant != ""]
        self.instant = min(given) // MICROS + max(given) // MICROS

    def choice(self, texts):
        return texts[self.instant % len(texts)]


def draw_valid_after(world, recorded):
    """As recorded, late, tied with others, soon to come, or never to come."""
    rng = world.rng
    mode = rng.random()
    if mode < 0.35:
        return recorded
    if mode < 0.55:
        return recorded - rng.choice((1, 6, 24, 48)) * HOUR
    if mode < 0.75:
        return world.first_day + rng.randrange(-1, 3) * 12 * HOUR
    if mode < 0.92:
        return recorded + rng.choice((1, 2, 12, 36)) * HOUR
    return recorded + 30 * DAY


def fresh(world):
    """New curves for one provider, over one to three of its series (six where the world is wide)."""
    rng = world.rng
    kind, _, provider, _ = rng.choice(world.series)
    entries = [(unit, period) for k, unit, p, period in world.series if (k, p) == (kind, provider)]
    most = min(6 if world.wide else 3, len(entries))
    curves = {entry: draw_curve(world, entry[1]) for entry in rng.sample(entries, rng.randint(1, most))}
    return Draft(kind, provider, curves)


def draw_curve(world, period):
    """A part of a day; mostly in the two hot days, at few places, so that curves overlap."""
    rng = world.rng
    day = rng.choice((1, 1, 2, 2, rng.randrange(DAYS)))
    start = world.first_day + day * DAY + rng.choice((0, 0, 6, 21, 23)) * HOUR + rng.randrange(4) * period * MINUTE
    level = rng.choice(PALETTE)
    mode = rng.random()
    curve = {}
    for slot in range(rng.choice((4, 8, 24, 48) if world.wide else (1, 4, 8, 16))):
        value = level if mode < 0.4 else rng.choice(PALETTE) if mode < 0.8 else rng.randrange(-(10**6), 10**7)
        curve[start + slot * period * MINUTE] = None if rng.random() < 0.08 else value
    if rng.random() < 0.05:
        curve = dict.fromkeys(curve)
    return curve


def reissue(world):
    """An earlier curve again, whole or in part, perhaps with a slot changed."""
    rng = world.rng
    before = rng.choice(world.batches)
    curves = {}
    for entry, curve in before.curves.items():
        slots = sorted(curve)
        if rng.random() < 0.3:
            slots = slots[rng.randrange(len(slots)) :]
        curves[entry] = {start: curve[start] for start in slots}
        if rng.random() < 0.4:
            curves[entry][rng.choice(slots)] = rng.choice(PALETTE + (None,))
    return Draft(before.kind, before.provider, curves)


def value_text(rng, hundredths, measure_unit, period):
    """A value in a measure unit, in one of the ways to write a decimal."""
    if hundredths is None:
        return ""
    number = Fraction(hundredths, HUNDREDTHS_PER_UNIT[measure_unit])
    if measure_unit in ENERGY_UNITS:
        number = number * period / 60
    scaled = round(number * 10**10)
    sign = "-" if scaled < 0 else ""
    plain = f"{sign}{abs(scaled) // 10**10}.{abs(scaled) % 10**10:010d}"
    short = plain.rstrip("0").rstrip(".")
    exponent = f"{scaled}e-10"
    signed = short if sign else "+" + short
    return rng.choice((short, short, short, plain, exponent, signed, f" {short} "))


def put_value(texts):
    def fault(world, rows):
        world.rng.choice(rows)["value"] = world.rng.choice(texts)

    return fault


def put_unaligned(world, rows):
    row = world.rng.choice(rows)
    if isinstance(row["delivery_start"], int):
        row["delivery_start"] += world.rng.choice((MINUTE, MICROS, 1, 7 * MINUTE + 1))


def put_duplicates(world, rows):
    for _ in range(world.rng.choice((1, 2))):
        row = dict(world.rng.choice(rows))
        row["value"] = world.rng.choice((row["value"], "3.25", "", "abc"))
        rows.insert(world.rng.randrange(len(rows) + 1), row)


def put_unknown_unit(world, rows):
    for row in world.rng.sample(rows, 1 + len(rows) // 3):
        row["unit_no"] = "999"


def put_bad_cell(world, rows):
    """A key cell nobody can read; in unnamed saves it would be open what still stands side by side."""
    for row in world.rng.sample(rows, 1 + len(rows) // 4):
        if row["batch"] or world.edge:
            column = world.rng.choice(sorted(BAD_CELLS))
            row[column] = world.rng.choice(BAD_CELLS[column])


def put_mixed(world, rows):
    """One row disagrees with its batch; an odd `recorded` stays early, so that the clock is plain."""
    rng = world.rng
    for row in rows:
        row["recorded"] = row["valid_after"] if row["recorded"] == "" else row["recorded"]
        row["valid_after"] = row["recorded"] if row["valid_after"] == "" else row["valid_after"]
    row, column = rng.choice(rows), rng.choice(("provider", "kind", "valid_after", "recorded", "measure_unit"))
    early = world.recorded_pool[: 1 + len(world.recorded_pool) // 2]
    if column == "recorded":
        shared = rng.choice(early)
        for other in rows:
            other["recorded"] = shared if isinstance(other["recorded"], int) else other["recorded"]
    odd = {"provider": "Odd", "kind": "actual", "measure_unit": "GW", "recorded": rng.choice(early)}
    row[column] = odd.get(column, rng.choice(world.recorded_pool))


def put_bad_period(world, rows):
    period = str(world.rng.choice(BAD_PERIODS))
    for row in world.rng.sample(rows, world.rng.choice((1, len(rows)))):
        row["period_minutes"] = period


def put_bad_measure_unit(world, rows):
    word = world.rng.choice(BAD_MEASURE_UNITS)
    for row in rows:
        row["measure_unit"] = word


VALUE_FAULTS = (put_value(BAD_VALUES), put_value(HUGE), put_value(HALVES), put_unaligned, put_duplicates)
ROW_FAULTS = (put_unknown_unit, put_bad_cell, put_bad_cell)
BATCH_FAULTS = (put_mixed, put_bad_period, put_bad_measure_unit)
FAULTS = VALUE_FAULTS * 2 + ROW_FAULTS + BATCH_FAULTS
