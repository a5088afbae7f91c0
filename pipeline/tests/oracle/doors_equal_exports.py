"""Asks a running service what exports of the same folder say, slot by slot.

    doors_equal_exports.py ADDRESS FILE

Each line of FILE is a JSON list: OUT and the flags its export was made with (--view, --period,
--completeness, --valid-at, --known-at). Every unit and every total of the export is read through
its door; values, coverage and counts must be equal. Prints the differences and exits 1 when there
is any; prints how many slots were compared.
"""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq

BASE = "/api/v2.0"
# A range of more days is read day by day, to stay below the bound of a read.
LONGEST = timedelta(days=200)


def main(address, file):
    differences, compared = [], 0
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        out, *flags = json.loads(line)
        flags = dict(zip(flags[::2], flags[1::2]))
        for curve, rows in curves_of(Path(out) / flags["--view"], flags).items():
            heard = {}
            for start, end in ranges(rows):
                heard |= ask(address, curve, flags, start, end)
            compared += len(rows)
            differences += [
                f"{curve} {flags} {start}: exported {rows.get(start)}, heard {heard.get(start)}"
                for start in sorted(rows.keys() | heard.keys())
                if rows.get(start) != heard.get(start)
            ]
    for difference in differences[:20]:
        print(difference)
    print(f"{len(differences)} differences in {compared} slots")
    if differences or not compared:
        raise SystemExit(1)


def curves_of(view, flags):
    """{curve: {slot start: what is said of it}} of an export."""
    curves = defaultdict(dict)
    for file in sorted(view.rglob("*.parquet")):
        kind = next(part for part in file.parts if part.startswith("kind=")).removeprefix("kind=")
        # Actuals have no door by date.
        if kind == "actual" and "--valid-at" in flags and view.name != "totals":
            continue
        for row in pq.ParquetFile(file).read().to_pylist():
            start = row["delivery_start"]
            if view.name == "totals":
                curve = ("totals", kind, row["dimension"], row["key"], row["provider"])
                said = (row["value_mw"], row["coverage"], row["members"], row["reporting"])
            else:
                curve = (view.name, kind, row["unit_type"], row["unit_no"], row["provider"])
                said = (row["value_mw"], row.get("coverage", 1.0))
                if view.name == "latest":
                    curve += (row["period_minutes"],)
            curves[curve][start] = said
    return curves


def ranges(rows):
    first, last = min(rows), max(rows)
    if last - first < LONGEST:
        return [(first, last + timedelta(minutes=1))]
    days = sorted({start.replace(hour=0, minute=0, second=0, microsecond=0) for start in rows})
    return [(day, day + timedelta(days=1)) for day in days]


def ask(address, curve, flags, start, end):
    """{slot start: what is said of it} as a door says it."""
    view, kind, first, second, provider, *period = curve
    words = {"from": text(start), "to": text(end), "no-details": "true"}
    if "--period" in flags and view != "latest":
        words["period"] = flags["--period"]
    if view != "latest":
        words["completeness"] = flags.get("--completeness", 0)
    if "--known-at" in flags:
        words["known_at"] = flags["--known-at"]
    provider, first = (urllib.parse.quote(str(name), safe="") for name in (provider, first))
    second = urllib.parse.quote(str(second), safe="")
    if view == "totals":
        path = f"{BASE}/totals/{first}/{second}/{provider}"
        words["kind"] = kind
        if "--valid-at" in flags:
            words["date"] = flags["--valid-at"]
    else:
        words["own"] = "true"
        if kind == "actual":
            path, words["provider"] = f"{BASE}/actuals/{first}/{second}", urllib.parse.unquote(provider)
        elif "--valid-at" in flags:
            path = f"{BASE}/production-forecast/{provider}/{first}/{second}/forecasts/latest-by-date"
            words["date"] = flags["--valid-at"]
        else:
            path = f"{BASE}/production-forecast/{provider}/{first}/{second}/forecasts/latest"
    elements = get(f"http://{address}{path}?{urllib.parse.urlencode(words)}")["data"]
    heard = {}
    for element in elements:
        if period and element["period"] != period[0]:
            continue
        for slot in element["predictions"]:
            said = (slot["v"], slot.get("coverage", 1.0))
            if view == "totals":
                said += (slot["members"], slot["reporting"])
            heard[datetime.fromisoformat(slot["ds"]).astimezone(UTC)] = said
    return heard


def text(instant):
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{url}: {error.code} {error.read().decode()[:500]}") from error


if __name__ == "__main__":
    main(*sys.argv[1:])
