"""Compares the answers of a served folder with what its CSV files say: zero differences, or exit 1.

    PYTHONPATH=pipeline/tests/oracle civil.py FOLDER ANSWERS.json

ANSWERS is a list of {"path", "status", "known_at", "body"}, the body as it was sent; "asked" is that of a POST. Every answer
is computed again from the files; numbers are compared as exact fractions.
"""

import gc
import json
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

from asked import read_question
from quantity import KW, KWH, MW, MWH, Unreadable, read_instant, show_instant
from truth import World, hours_of

WORDS = {KW: "kW", MW: "MW", KWH: "kWh", MWH: "MWh"}
SHOWN_AT_MOST = 40
# An answer shows at most so many of its differences.
OF_AN_ANSWER = 3


def main():
    world = World(Path(sys.argv[1]))
    # Nothing of it is thrown away; looking for what could be takes longer than the answers.
    gc.freeze()
    answers = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    counts, shown = Counter(), []
    for answer in answers:
        reads = read_question(answer)
        expected = world.answers(reads)
        differences = list(differences_of(reads, expected, answer))
        tally(counts, reads[0], expected)
        counts["wrong answers"] += bool(differences)
        if differences:
            shown += [
                f"{answer['path']} {answer.get('asked', '')}",
                *(f"    {each}" for each in differences[:OF_AN_ANSWER]),
            ]
            shown += [f"    … {len(differences)} in all"] if len(differences) > OF_AN_ANSWER else []
    print("\n".join(shown[:SHOWN_AT_MOST]), file=sys.stderr)
    print(json.dumps(counts))
    sys.exit(1 if counts["wrong answers"] else 0)


def tally(counts, asked, expected):
    """What was asked, so that a run that asks little is seen."""
    predictions = [prediction for each in expected for prediction in each.predictions]
    counts["answers"] += 1
    counts[f"answers by {asked.period}"] += 1
    counts[expected[0].code or "200"] += 1
    counts["slots"] += len(predictions)
    counts["incomplete slots"] += sum(each.coverage < 1 for each in predictions)
    counts["slots without a value"] += sum(each.value is None for each in predictions)


def differences_of(reads, expected, answer):
    """What is wrong with one answer, one sentence each."""
    head = expected[0]
    if answer["status"] != head.status:
        yield f"expected {head.status} {head.code}, found {answer['status']}: {answer['body'][:200]}"
        return
    body = json.loads(answer["body"], parse_float=Fraction, parse_int=Fraction)
    if head.status != 200:
        additional = body.get("additionalData") or {}
        fields = [name.removeprefix("query.") for name in additional.get("fields", {})]
        if additional.get("code") != head.code or fields != [head.about]:
            yield f"expected {head.code} of {head.about}, found {additional}"
        return
    if head.known_at is not None and instant_or_none(answer["known_at"]) != head.known_at:
        yield f"expected to be known at {show_instant(head.known_at)}, found {answer['known_at']!r}"
    elements = list(body["data"])
    for asked, each in zip(reads, expected):
        # Where there is no slot, there may be no element.
        if elements and (len(reads) == 1 or elements[0].get("unitNo") == asked.unit[1]):
            element = elements.pop(0)
            yield from differences_of_heads(asked, element)
            yield from differences_of_slots(asked, each, element["predictions"])
        elif each.predictions:
            yield f"no element of {asked.unit or asked.total}: missing {len(each.predictions)} slots"
    if elements:
        yield f"{len(elements)} elements too many: {str(elements)[:200]}"


def instant_or_none(text):
    try:
        return read_instant(text)
    except Unreadable:
        return None


def differences_of_heads(asked, element):
    head = {"providerKey": asked.provider, "period": asked.period, "measureUnit": WORDS[asked.measure_unit]}
    if asked.unit:
        head |= {"unitType": asked.unit[0], "unitNo": asked.unit[1]}
    for name, value in head.items():
        if element.get(name) != value:
            yield f"{name}: expected {value!r}, found {element.get(name)!r}"


def differences_of_slots(asked, expected, found):
    """Slots in order, each as it has to be."""
    wanted = {shown_instant(expected, each.start): each for each in expected.predictions}
    starts = [each.get("ds") for each in found]
    if starts != list(wanted):
        missing = [start for start in wanted if start not in starts]
        more = [start for start in starts if start not in wanted]
        yield f"slots: missing {missing[:4]} ({len(missing)}), not expected {more[:4]} ({len(more)})"
    for each in found:
        if each.get("ds") in wanted:
            prediction = fields_of(asked, expected, wanted[each["ds"]])
            for name in sorted(prediction.keys() | each.keys() - {"ds"}):
                if not same(prediction, each, name):
                    here, there = show(prediction, name), show(each, name)
                    yield f"{each['ds']} {name}: expected {here}, found {there}"


def shown_instant(expected, instant):
    return expected.shown_in.show(instant) if expected.shown_in else show_instant(instant)


def fields_of(asked, expected, prediction):
    """The fields of a slot besides its start."""
    fields = {"v": prediction.value, "mu": WORDS[asked.measure_unit]}
    if asked.details:
        fields["pk"] = asked.provider
    if asked.details and prediction.recorded is not None:
        fields["c"] = shown_instant(expected, prediction.recorded)
    if prediction.coverage < 1:
        fields["coverage"] = prediction.coverage
    if asked.period in ("day", "month"):
        fields["hours"] = hours_of(prediction)
    if asked.total:
        fields |= {"members": prediction.members, "reporting": prediction.reporting}
    return fields


def same(expected, found, name):
    """A coverage is a double, the nearest to the fraction; all else is exact."""
    if name not in expected or name not in found:
        return False
    if name == "coverage":
        return float(expected[name]) == float(found[name])
    return expected[name] == found[name]


def show(fields, name):
    if name not in fields:
        return "nothing"
    value = fields[name]
    return f"{float(value):.15g}" if isinstance(value, Fraction) else repr(value)


if __name__ == "__main__":
    main()
