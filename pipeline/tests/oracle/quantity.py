"""Exact numbers and instants: the two things that must never be a float.

A value is a whole number of hundredths of a kW, an instant a whole number of microseconds
since 1970-01-01T00:00Z. Everything that reads or prints one of them goes through this file,
so that the oracle has one place where text becomes a quantity.
"""

import datetime
import re
from fractions import Fraction

MICROS = 1_000_000
MINUTE = 60 * MICROS
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# ±1,000,000 MW in hundredths of a kW.
VALUE_BOUND = 10**11

# Hundredths of a kW in one unit of each measure unit; an energy is first turned into a power.
KW, MW, KWH, MWH = 0, 1, 2, 3
HUNDREDTHS_PER_UNIT = {KW: 100, MW: 100_000, KWH: 100, MWH: 100_000}
ENERGY_UNITS = (KWH, MWH)
MEASURE_WORDS = {"kw": KW, "mw": MW, "kwh": KWH, "mwh": MWH}

# Exponents beyond this are judged by size alone: nobody needs the digits of 1e999999999.
EXPONENT_BOUND = 400

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
NUMBER = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?", re.ASCII)
INSTANT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
INTEGER = re.compile(r"[+-]?\d+", re.ASCII)


class Unreadable(ValueError):
    """A cell that is not what its column holds."""


def read_number(text):
    """The exact number a decimal text stands for; blanks around it do not count.

    A number whose size needs more than EXPONENT_BOUND digits is returned as a stand-in of the
    same sign that is just as far beyond every bound (or just as surely rounded to zero).
    """
    match = NUMBER.fullmatch(text.strip())
    if not match:
        raise Unreadable(text)
    sign, whole, fraction, exponent = match.groups()
    fraction = fraction or ""
    if not whole and not fraction:
        raise Unreadable(text)
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return Fraction(0)
    exponent = int(exponent or 0) - len(fraction)
    size = len(digits) + exponent
    if size > EXPONENT_BOUND:
        number = Fraction(10**EXPONENT_BOUND)
    elif size < -EXPONENT_BOUND:
        number = Fraction(1, 10**EXPONENT_BOUND)
    else:
        number = Fraction(int(digits)) * Fraction(10) ** exponent
    return -number if sign == "-" else number


def read_integer(text):
    """A whole number, perhaps with a sign."""
    text = text.strip()
    if not INTEGER.fullmatch(text):
        raise Unreadable(text)
    return int(text)


def round_half_away(number):
    """The nearest whole number; a half goes away from zero."""
    whole = (2 * abs(number).numerator + number.denominator) // (2 * number.denominator)
    return -whole if number < 0 else whole


def round_to_digits(number, digits):
    """The number rounded to so many decimals, half away from zero."""
    return Fraction(round_half_away(number * 10**digits), 10**digits)


def to_hundredths(number, measure_unit, period):
    """A number in a measure unit as power over the slot, in hundredths of a kW, rounded once."""
    if measure_unit in ENERGY_UNITS:
        number = number * 60 / period
    return round_half_away(number * HUNDREDTHS_PER_UNIT[measure_unit])


def read_measure_unit(text):
    """A measure unit given as a number or a word in any case; MW when nothing is said."""
    text = text.strip()
    if text == "":
        return MW
    if text in ("0", "1", "2", "3"):
        return int(text)
    if text.lower() in MEASURE_WORDS:
        return MEASURE_WORDS[text.lower()]
    raise Unreadable(text)


def read_instant(cell):
    """An instant from RFC 3339 text with an offset, or one that is read already (Parquet)."""
    if isinstance(cell, int):
        return cell
    match = INSTANT.fullmatch(cell.strip())
    if not match:
        raise Unreadable(cell)
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    try:
        local = datetime.datetime(int(year), int(month), int(day), int(hour), int(minute), int(second))
    except ValueError:
        raise Unreadable(cell) from None
    whole = local.replace(tzinfo=datetime.timezone.utc) - EPOCH
    micros = (whole.days * 86_400 + whole.seconds) * MICROS + int((fraction or "")[:6].ljust(6, "0"))
    return micros - read_offset(offset)


def read_offset(text):
    """The microseconds by which local time of this offset is ahead of UTC."""
    if text in ("Z", "z"):
        return 0
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise Unreadable(text)
    micros = hours * HOUR + minutes * MINUTE
    return -micros if text[0] == "-" else micros


def show_instant(micros, offset_minutes=0):
    """RFC 3339 text of an instant, in UTC unless an offset is asked for."""
    local = EPOCH + datetime.timedelta(microseconds=micros + offset_minutes * MINUTE)
    text = local.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    if local.microsecond:
        text += f".{local.microsecond:06d}".rstrip("0")
    if offset_minutes == 0:
        return text + "Z"
    sign = "+" if offset_minutes > 0 else "-"
    return f"{text}{sign}{abs(offset_minutes) // 60:02d}:{abs(offset_minutes) % 60:02d}"


def show_date(micros):
    """The UTC date an instant lies in."""
    return (EPOCH + datetime.timedelta(microseconds=micros)).date().isoformat()


def show_mw(hundredths):
    """A value in MW with all its five decimals."""
    sign = "-" if hundredths < 0 else ""
    return f"{sign}{abs(hundredths) // 100_000}.{abs(hundredths) % 100_000:05d}"


DELIVERY_FROM = read_instant("1900-01-01T00:00:00Z")
DELIVERY_TO = read_instant("2200-01-01T00:00:00Z")
