"""Compares the answers of a served folder with what its CSV files say: zero differences, or exit 1.

    PYTHONPATH=pipeline/tests/oracle civil.py FOLDER ANSWERS.json

ANSWERS is a list of {"path", "status", "known_at", "body"}, the body as it was sent. Every answer
is computed again from the files; numbers are compared as exact fractions.
"""

import gc
import json
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

from asked import read_path
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
        asked = read_path(answer["path"])
        expected = world.answer(asked)
        differences = list(differences_of(asked, expected, answer))
        counts["answers"] += 1
        counts["slots"] += len(expected.predictions)
        counts["wrong answers"] += bool(differences)
        counts["incomplete slots"] += sum(each.coverage < 1 for each in expected.predictions)
        counts["slots without a value"] += sum(each.value is None for each in expected.predictions)
        counts[expected.code or "200"] += 1
        counts[f"answers by {asked.period}"] += 1
        if differences:
            shown += [f"GET {answer['path']}", *(f"    {each}" for each in differences[:OF_AN_ANSWER])]
            shown += [f"    … {len(differences)} in all"] if len(differences) > OF_AN_ANSWER else []
    print("\n".join(shown[:SHOWN_AT_MOST]), file=sys.stderr)
    print(json.dumps(counts))
    sys.exit(1 if counts["wrong answers"] else 0)


def differences_of(asked, expected, answer):
    """What is wrong with one answer, one sentence each."""
    if answer["status"] != expected.status:
        yield f"expected {expected.status} {expected.code}, found {answer['status']}: {answer['body'][:200]}"
        return
    body = json.loads(answer["body"], parse_float=Fraction, parse_int=Fraction)
    if expected.status != 200:
        additional = body.get("additionalData") or {}
        if additional.get("code") != expected.code or list(additional.get("fields", {})) != [expected.about]:
            yield f"expected {expected.code} of {expected.about}, found {additional}"
        return
    if expected.known_at is not None and instant_or_none(answer["known_at"]) != expected.known_at:
        yield f"expected to be known at {show_instant(expected.known_at)}, found {answer['known_at']!r}"
    elements = body["data"]
    if len(elements) != 1 and (expected.predictions or elements):
        yield f"expected one element, found {len(elements)}"
        return
    for element in elements:
        yield from differences_of_heads(asked, element)
        yield from differences_of_slots(asked, expected, element["predictions"])


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
    wanted = {shown_start(expected, each): each for each in expected.predictions}
    starts = [each.get("ds") for each in found]
    if starts != list(wanted):
        missing = [start for start in wanted if start not in starts]
        more = [start for start in starts if start not in wanted]
        yield f"slots: missing {missing[:4]} ({len(missing)}), not expected {more[:4]} ({len(more)})"
    for each in found:
        if each.get("ds") in wanted:
            prediction = fields_of(asked, wanted[each["ds"]])
            for name in sorted(prediction.keys() | each.keys() - {"ds"}):
                if not same(prediction, each, name):
                    here, there = show(prediction, name), show(each, name)
                    yield f"{each['ds']} {name}: expected {here}, found {there}"


def shown_start(expected, prediction):
    return expected.shown_in.show(prediction.start) if expected.shown_in else show_instant(prediction.start)


def fields_of(asked, prediction):
    """The fields of a slot besides its start."""
    fields = {"v": prediction.value, "mu": WORDS[asked.measure_unit]}
    if asked.details:
        fields["pk"] = asked.provider
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
