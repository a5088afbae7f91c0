"""Reads what an engine wrote to Redis, from the documented layout alone, and compares it with the engine's REST.

    read_redis.py REDIS_URL PREFIX ENGINE_URL [--cluster]

Nothing here is shared with the writer. Everything is read at one epoch and REST is asked for that very
epoch, so saves may go on meanwhile. Prints what was compared and the first differences; exits 1 if any.
"""

import bisect
import json
import math
import struct
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlencode
from urllib.request import urlopen

import msgpack
import redis
import zstandard

EPOCH, DAY_MINUTES, HUNDREDTHS_PER_MW = datetime(1970, 1, 1, tzinfo=UTC), 1440, 100_000
ATTEMPTS, SHOWN, ENTRIES, COMMIT_MS, REST_SECONDS = 20, 20, 1_000, 30_000, 60
READ_DAYS = 366  # REST gives as many slots of a minute at once.
HASHES = {"Members": "members", "Unit": "units", "Rules": "units", "Withdrawn": "withdrawn"}  # by kind of row


class MovedOn(Exception):
    """What was read is not one epoch, or the engine no longer holds it: begin again."""


@dataclass
class Views:
    """Everything under a prefix. Days are counted from 1970; their content is unpacked, not decoded."""

    term: int
    epoch: int
    clock: int
    versions: dict = field(default_factory=dict)  # name of a hash -> the epoch that wrote it
    ids: dict = field(default_factory=dict)  # number of a series -> its name
    days: dict = field(default_factory=lambda: defaultdict(dict))  # name of a series or total -> {day: content}
    said: dict = field(default_factory=lambda: defaultdict(dict))  # members, units, withdrawn -> {key: content}


def read_views(client, prefix):
    """The hashes, and over them the epochs of the stream up to the newest version that was read."""
    stream = f"{prefix}:{{stream}}"
    # Behind the newest commit are parts of an epoch that is still being written: they count as not yet read.
    entries = client.xrevrange(stream, count=ENTRIES)
    last, commit = next((entry for entry in entries if b"epoch" in entry[1]), (None, None))
    state = client.hgetall(f"{stream}:state")
    if not commit or not state or b"filling" in state:
        raise MovedOn("what lies in Redis is not whole")
    views = Views(int(state[b"term"]), int(commit[b"epoch"]), int(commit[b"clock"]))
    lay_hashes(client, prefix, views)
    epochs = epochs_after(client, stream, last)
    while views.epoch < max(views.versions.values()):
        lay_epoch(views, *next(epochs))
    return views


def lay_hashes(client, prefix, views):
    """All hashes, those of series and totals at least as new as the index says."""
    for name in set(HASHES.values()):
        for key, content in of_term(client.hgetall(f"{prefix}:{{stream}}:{name}"), name, views, 0).items():
            views.said[name][key.decode()] = unpacked(content) if name == "members" else content
    for index in ("series", "totals"):
        for name, entry in client.hgetall(f"{prefix}:{{stream}}:{index}").items():
            name, (number, least) = name.decode(), map(int, entry.split(b":"))
            if index == "series":
                views.ids[number] = name
            for day, content in of_term(client.hgetall(f"{prefix}:{name}"), name, views, least).items():
                views.days[name][(date.fromisoformat(day.decode()) - EPOCH.date()).days] = unpacked(content)


def of_term(fields, name, views, least):
    """The fields of a hash without its version, which each hash has, with nothing else in it too."""
    version = fields.pop(b"v", b"-1.0")
    term, views.versions[name] = map(int, version.split(b"."))
    if term != views.term or views.versions[name] < least:
        raise MovedOn(f"{name} is of {version.decode()}, not of {views.term}.{least} or newer")
    return fields


def epochs_after(client, stream, last):
    """(commit, rows) of each epoch behind the entry `last`, waited for where it is not there yet."""
    parts = defaultdict(list)
    while answer := client.xread({stream: last}, count=ENTRIES, block=COMMIT_MS):
        for last, entry in answer[0][1]:
            of = parts[last.split(b"-")[0]]
            if b"part" in entry:
                of.append(unpacked(entry[b"part"]))
            elif len(of) == int(entry[b"parts"]):
                rows = msgpack.Unpacker(max_buffer_size=0)
                rows.feed(b"".join(of))
                whole = [*rows]
                assert rows.tell() == sum(map(len, of)), f"{last}: a row is cut off"
                yield entry, whole
            else:
                raise MovedOn(f"{last} counts {entry[b'parts']} parts, {len(of)} are there")
    raise MovedOn("what was written to hashes was not committed")


def lay_epoch(views, commit, rows):
    """Lays rows over what is older than they are: a row says what is, not what changed."""
    epoch = int(commit[b"epoch"])
    if commit[b"from"] != b"%d" % views.epoch or int(commit[b"term"]) != views.term:
        raise MovedOn(f"epoch {epoch} follows on {commit[b'from'].decode()}, not on {views.epoch}")
    for [(kind, words)] in map(dict.items, rows):
        if kind == "Series":
            views.ids[words[0]] = words[1]
        elif kind in ("Day", "Total"):
            name = views.ids[words[0]] if kind == "Day" else words[0]
            if epoch > views.versions.get(name, 0):
                views.days[name][words[1]] = words[2]
        elif kind in HASHES:
            if epoch > views.versions[HASHES[kind]]:
                key, content = ("rules", words) if kind == "Rules" else words
                views.said[HASHES[kind]][str(key)] = content
        elif kind != "Stated":
            raise ValueError(f"a row of kind {kind}")
    views.epoch, views.clock = epoch, int(commit[b"clock"])


def unpacked(content):
    return [bytes, zstandard.ZstdDecompressor().decompressobj().decompress][content[0]](content[1:])


def integers(content, letter):
    return struct.unpack(f"<{len(content) // struct.calcsize(letter)}{letter}", content)


def series_rows(views, name, period):
    """{(period, start): (value, recorded, note, provider)} of the slots that have a value."""
    rows = {}
    for day, content in views.days[name].items():
        slots, values, ranks, batches, pending = msgpack.unpackb(content)
        wide = len(values) == 8 * slots
        values, places = integers(values, "iq"[wide]), integers(ranks, "BH"[wide])
        # The first half of them win, the second are shown; one stands for all slots.
        wins, shown = (places[at::2] * slots if len(places) == 2 else places[at * slots :][:slots] for at in (0, 1))
        assert not {str(batches[win - 1][0]) for win in wins if win} & views.said["withdrawn"].keys(), f"{name}: gone"
        assert all(batch[3] > views.clock for batch, _, _ in pending), f"{name}: what is pending counts already"
        for slot, value, win, place in zip(range(slots), values, wins, shown, strict=True):
            if value != (-(2**63) if wide else -(2**31)):
                assert win and place, f"{name}: a value of no batch"
                _, _, recorded, _, provider, _, note, _, _ = batches[place - 1]
                key = period, EPOCH + timedelta(day, minutes=slot * period)
                rows[key] = Decimal(value) / HUNDREDTHS_PER_MW, EPOCH + timedelta(microseconds=recorded), note, provider
    return rows


def total_rows(views, total, name):
    """(period, {(period, start): (value, members, reporting)}) at a period that divides the grid of each day."""
    edges, rows = msgpack.unpackb(views.said["members"].get(total, b"\x90")), {}
    minutes, belong = [at for at, _, _ in edges], [0, *accumulate(change for _, change, _ in edges)]
    plants = {day: msgpack.unpackb(content) for day, content in views.days.get(name, {}).items() if content}
    grids = {day: [at % DAY_MINUTES for at, _, of in edges if of and at // DAY_MINUTES == day] for day in plants}
    grids = {day: math.gcd(*inside, *(grid[0] for grid in plants[day])) for day, inside in grids.items()}
    period = math.gcd(*grids.values()) or DAY_MINUTES
    for day, of_day in plants.items():
        of_day = [(grid, integers(sums, "q"), integers(counts, "i")) for grid, _, sums, counts in of_day]
        for minute in range(0, DAY_MINUTES, period):
            if reporting := sum(counts[minute // grid] for grid, _, counts in of_day):
                value = Decimal(sum(sums[minute // grid] for grid, sums, _ in of_day)) / HUNDREDTHS_PER_MW
                members = belong[bisect.bisect_right(minutes, day * DAY_MINUTES + minute - minute % grids[day])]
                rows[period, EPOCH + timedelta(day, minutes=minute)] = value, members, reporting
    return period, rows


def ask(engine, path, **words):
    """The data of an answer; nothing where what is asked for is not known."""
    address = f"{engine}/api/v2.0/{path}?{urlencode(words)}"
    try:
        with urlopen(address, timeout=REST_SECONDS) as answer:
            epoch = int(answer.headers["X-SmartPulse-Epoch"])
            assert epoch == words["at_epoch"], f"{address} answers for {epoch}"
            return json.load(answer, parse_float=Decimal, parse_int=Decimal)["data"]
    except HTTPError as refusal:
        if refusal.code == 404:
            return []
        raise (MovedOn if refusal.code == 410 else ValueError)(f"{address}: {refusal.read()[:300]}") from refusal


def predictions(engine, views, path, **words):
    """{(period, start): prediction} of all days of which there is anything, in as few reads as may be."""
    days, found = sorted({day for of in views.days.values() for day in of}), {}
    while days:
        end = min(days[0] + READ_DAYS, days[-1] + 1)
        span = {word: f"{EPOCH + timedelta(day):%Y-%m-%dT%H:%MZ}" for word, day in (("from", days[0]), ("to", end))}
        for of in ask(engine, path, **words, **span, at_epoch=views.epoch):
            found |= {(int(of["period"]), datetime.fromisoformat(row["ds"])): row for row in of["predictions"]}
        days = [day for day in days if day >= end]
    return found


def unlike(what, expected, answered):
    """(how many, a sentence for each of which Redis and REST say different things)."""
    keys = sorted(key for key in expected | answered if expected.get(key) != answered.get(key))
    return len(expected), [f"{what} {key}: Redis {expected.get(key)}, REST {answered.get(key)}" for key in keys]


def compare_series(engine, views, kind, unit, provider, periods):
    expected = {key: row for period, name in periods.items() for key, row in series_rows(views, name, period).items()}
    path, words = f"actuals/{unit.replace(':', '/')}", {"own": "true", "provider": provider}
    if kind == "forecast":
        path = f"production-forecast/{quote(words.pop('provider'), safe='')}/{unit.replace(':', '/')}/forecasts/latest"
    rows = predictions(engine, views, path, **words)
    heard = {at: (row["v"], datetime.fromisoformat(row["c"]), row.get("bn"), row["pk"]) for at, row in rows.items()}
    return unlike(f"{kind} {unit} {provider}", expected, heard)


def compare_total(engine, views, kind, total, provider, name):
    period, expected = total_rows(views, total, name)
    path = "/".join(quote(word, safe="") for word in ("totals", *map(unquote, total.split(":")), provider))
    rows = predictions(engine, views, path, kind=kind, period=period, completeness=0)
    heard = {at: (row["v"], row["members"], row["reporting"]) for at, row in rows.items()}
    return unlike(f"{kind} {total} {provider}", expected, heard)


def compare_units(engine, views):
    """Of each unit the last version that is valid at the clock, else its last."""
    expected = {}
    for unit, said in views.said["units"].items():
        if versions := json.loads(said).get("versions"):
            valid = [version for version in versions if version["valid_from"] <= views.clock]
            shown = (valid or versions)[-1]
            power = shown["installed_power"] and Decimal(shown["installed_power"]) / HUNDREDTHS_PER_MW
            expected[unit] = [power, *map(shown.get, ("name", "plant_type", "zone", "region"))]
    words = ("installedPowerMw", "name", "plantType", "zone", "region")
    units = ask(engine, "units", at_epoch=views.epoch)
    heard = {f"{unit['unitType']}:{unit['unitNo']}": [*map(unit.get, words)] for unit in units}
    return unlike("unit", expected, heard)


def compare(engine, views):
    """What is counted and what differs; series and totals that only REST might know are asked for too."""
    series, totals = defaultdict(dict), {}
    for name in {*views.days, *views.versions} - {*HASHES.values()}:
        of, words = name[1:].split("}:")
        kind, provider, *period = words.removeprefix("total:").split(":")
        if period:
            series[kind, of, unquote(provider)][int(*period)] = name
        else:
            totals[kind, of, unquote(provider)] = name
    found = {"epoch": views.epoch, "series": sum(map(len, series.values())), "slots": 0, "totals": len(totals)}
    found |= {"total_slots": 0, "units": 0, "differences": []}
    pairs, units = {(kind, provider) for kind, _, provider in series}, views.said["units"].keys() - {"rules"}
    series = {(kind, unit, provider): {} for kind, provider in pairs for unit in units} | series
    totals = {(kind, total, provider): "" for kind, provider in pairs for total in views.said["members"]} | totals
    compared = [("units", compare_units(engine, views))]
    compared += [("slots", compare_series(engine, views, *of, periods)) for of, periods in series.items()]
    compared += [("total_slots", compare_total(engine, views, *of, name)) for of, name in totals.items()]
    for word, (count, texts) in compared:
        found[word] += count
        found["differences"] += texts[: SHOWN - len(found["differences"])]
    return found


def main(redis_url, prefix, engine, cluster=None):
    client = (redis.RedisCluster if cluster == "--cluster" else redis.Redis).from_url(redis_url)
    for _ in range(ATTEMPTS):
        try:
            found = compare(engine.rstrip("/"), read_views(client, prefix))
            print(json.dumps(found, ensure_ascii=False))
            sys.exit(1 if found["differences"] else 0)
        except MovedOn as moved:
            print(f"begin again: {moved}", file=sys.stderr)
            time.sleep(1)
    sys.exit("it moved on each time")


if __name__ == "__main__":
    main(*sys.argv[1:])
