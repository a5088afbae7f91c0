"""What saving a source does, decided value by value: the rules of contract section 4.

Everything is taken in the order of `recorded` and decided on what was known by then. A slot
is a plain list of every revision it ever had, and each question (who wins, is this a
confirmation) looks through the whole list again: slow, and with nothing to get wrong.
"""

from collections import Counter
from fractions import Fraction

from books import Batch, Books, Revision, Rules
from quantity import (
    HOUR,
    HUNDREDTHS_PER_UNIT,
    MINUTE,
    MW,
    VALUE_BOUND,
    Unreadable,
    read_number,
    round_to_digits,
    to_hundredths,
)

PERIODS = (5, 10, 15, 30, 60)
GENERAL_GATE = 1 * HOUR
EPIAS_GATE = 2 * HOUR
LIMITED_TYPES = ("PP", "CMP")

# At equal `recorded` the journal holds the files in this order, each in its own order.
UNITS, MEMBERSHIPS, PROPERTIES, LOCKS, SAVES, WITHDRAWALS = range(6)


def save_folder(folder, rules):
    """The books after everything in the folder was taken in its order."""
    books = Books(units=None if folder.units is None else {})
    books.counts["read"] = len(folder.rows)
    journal = []
    small_files = (UNITS, folder.units or []), (MEMBERSHIPS, folder.memberships), (PROPERTIES, folder.properties)
    for rank, records in (*small_files, (LOCKS, folder.locks), (WITHDRAWALS, folder.withdrawals)):
        journal += [(record.recorded, rank, place, record) for place, record in enumerate(records)]
    for batch in batches_of(folder.rows):
        if any(row.readable for row in batch.rows):
            journal.append((batch.head.recorded, SAVES, batch.rows[0].place, batch))
        else:
            books.refused["INVALID_VALUE"] += len(batch.rows)
    for recorded, rank, _place, record in sorted(journal, key=lambda entry: entry[:3]):
        books.clock = max(books.clock, recorded)
        take(books, rules, rank, record)
    return books


def take(books, rules, rank, record):
    """One entry of the journal."""
    if rank in (UNITS, MEMBERSHIPS):
        books.statements.append(record)
    if rank == UNITS:
        books.units.setdefault(record.unit, {})[record.valid_from] = record.installed_power_mw
    elif rank == PROPERTIES:
        books.properties[record.unit, record.key] = record.value
    elif rank == LOCKS:
        books.locks.append(record)
    elif rank == SAVES:
        save(books, rules, record)
    elif rank == WITHDRAWALS:
        withdraw(books, rules, record)


def batches_of(rows):
    """Rows of one batch cell are one batch; without one, neighbours that agree are."""
    named, batches, before = {}, [], None
    for row in rows:
        if row.batch:
            if row.batch not in named:
                named[row.batch] = Batch(key=row.batch, rows=[])
                batches.append(named[row.batch])
            named[row.batch].rows.append(row)
        elif before is not None and not before.batch and before.run == row.run:
            batches[-1].rows.append(row)
        else:
            batches.append(Batch(key=None, rows=[row]))
        before = row
    return batches


def save(books, rules, batch):
    """One batch: refused whole, or each of its values by itself."""
    readable = [row for row in batch.rows if row.readable]
    books.clock = max([books.clock] + [row.recorded for row in readable])
    for row in readable:
        books.first_named.setdefault(row.unit, batch.head.recorded)
    code = refusal_of_batch(readable)
    if code:
        books.refused[code] += len(batch.rows)
        return
    books.sequence += 1
    batch.sequence = books.sequence
    given = Counter((row.unit, row.period, row.delivery_start) for row in readable)
    for row in batch.rows:
        if not row.readable:
            books.refused["INVALID_VALUE"] += 1
            continue
        repeated = given[row.unit, row.period, row.delivery_start] > 1
        code, value = refusal_of_value(books, rules, row, repeated)
        if code:
            books.refused[code] += 1
        else:
            store(books, rules, batch, row, value)
    if batch.key and batch.accepted:
        books.batches[batch.key] = batch


def refusal_of_batch(rows):
    """Why a batch is refused as a whole, if it is."""
    shared = [(row.provider, row.kind, row.valid_after, row.recorded, row.measure_unit) for row in rows]
    if any(others != shared[0] for others in shared):
        return "MIXED_BATCH"
    if any(row.period not in PERIODS for row in rows):
        return "PERIOD_NOT_ALLOWED"
    if rows[0].measure_unit not in HUNDREDTHS_PER_UNIT:
        return "MEASURE_UNIT"
    return None


def refusal_of_value(books, rules, row, repeated):
    """(code, None) for the first rule a value breaks, else (None, value in hundredths of a kW)."""
    if row.delivery_start % (row.period * MINUTE) != 0:
        return "UNALIGNED_DELIVERY", None
    if repeated:
        return "DUPLICATE_DELIVERIES", None
    try:
        value = value_of(row, rules)
    except Unreadable:
        return "INVALID_VALUE", None
    if value is not None and abs(value) > VALUE_BOUND:
        return "VALUE_OUT_OF_RANGE", None
    if row.kind == "forecast":
        if not is_known(books, row.unit, row.delivery_start):
            return "UNKNOWN_UNIT", None
        code = refusal_by_time(books, rules, row.unit, row.delivery_start, row.recorded)
        if not code and "limits" in rules.enforce:
            code = refusal_by_limits(books, row.unit, row.delivery_start, value)
        if code:
            return code, None
    return None, value


def value_of(row, rules):
    """The value of a row in hundredths of a kW, None where it withdraws the slot."""
    if row.value == "":
        return None
    number = read_number(row.value)
    if rules.round_digits is not None:
        number = round_to_digits(number, rules.round_digits)
    return to_hundredths(number, row.measure_unit, row.period)


def is_known(books, unit, delivery_start):
    """Whether the unit was there at the start of the slot, by what is known now."""
    if books.units is None:
        return True
    versions = books.units.get(unit)
    return versions is not None and min(versions) <= delivery_start


def refusal_by_time(books, rules, unit, delivery_start, recorded):
    """Locks, then the gate: the two rules that hold for a value, a null and a withdrawal alike."""
    if "locks" in rules.enforce:
        for lock in books.locks:
            over = lock.expires <= recorded or lock.released <= recorded
            if lock.unit == unit and lock.start <= delivery_start < lock.end and not over:
                return "LOCKED"
    if "gates" in rules.enforce:
        epias = books.properties.get((unit, "market")) == "EPIAS"
        if recorded >= delivery_start - (EPIAS_GATE if epias else GENERAL_GATE):
            return "GATE_CLOSED"
    return None


def refusal_by_limits(books, unit, delivery_start, value):
    """Inclusive limits in MW; a null has none to keep."""
    if value is None or unit[0] not in LIMITED_TYPES:
        return None
    mw = Fraction(value, HUNDREDTHS_PER_UNIT[MW])
    lower = limit(books, unit, "lower_limit_mw")
    upper = limit(books, unit, "upper_limit_mw")
    if upper is None and unit[0] == "PP":
        upper = installed_power(books, unit, delivery_start)
    if lower is not None and mw < lower:
        return "LOWER_LIMIT"
    if upper is not None and mw > upper:
        return "UPPER_LIMIT"
    return None


def limit(books, unit, key):
    text = books.properties.get((unit, key), "")
    return read_number(text) if text else None


def installed_power(books, unit, delivery_start):
    """Of the version of the unit that holds at the start of the slot."""
    versions = (books.units or {}).get(unit, {})
    begun = [valid_from for valid_from in versions if valid_from <= delivery_start]
    return versions[max(begun)] if begun else None


def winner(revisions, reference):
    """The greatest (valid_after, sequence) that counts at the reference, by what is known now."""
    counting = [each for each in revisions if each.valid_after <= reference and each.batch.withdrawn_at is None]
    return max(counting, key=lambda revision: revision.order, default=None)


def store(books, rules, batch, row, value):
    """Save a value, or keep it as a confirmation when the slot has it already."""
    revisions = books.slots.setdefault((row.kind, row.unit, row.provider, row.period, row.delivery_start), [])
    before = winner(revisions, row.valid_after)
    stands = before.value if before else None
    if value == stands and not rules.skip_existing_check:
        books.counts["skipped"] += 1
    else:
        books.counts["saved"] += 1
        books.counts["nulls"] += value is None
        books.counts["restated"] += value is not None and stands is not None and value != stands
    revisions.append(Revision(batch, row.valid_after, value, rules.skip_existing_check))
    batch.accepted += 1


def withdraw(books, rules, withdrawal):
    """Withdraw a whole batch, unless a lock or a gate protects a slot it would change."""
    batch = books.batches.get(withdrawal.batch)
    if batch is None:
        books.counts["unknownBatches"] += 1
    elif batch.withdrawn_at is None and not is_protected(books, rules, batch, withdrawal.recorded):
        batch.withdrawn_at = withdrawal.recorded
        books.counts["withdrawnBatches"] += 1


def is_protected(books, rules, batch, recorded):
    """Whether a lock or a gate refuses the withdrawal in a slot where the batch is the winner."""
    reference = max(recorded, batch.head.valid_after)
    for (kind, unit, _provider, _period, delivery_start), revisions in books.slots.items():
        wins = winner(revisions, reference)
        if kind == "forecast" and wins is not None and wins.batch is batch:
            if refusal_by_time(books, rules, unit, delivery_start, recorded):
                return True
    return False
