"""The references of export-rows: pyarrow and polars write a table that is in memory already.

Told what to do line by line in JSON on standard input, by benches/src/exports.rs: first the folder of an
export, whose files are read once; then a writer and a folder to write the same files to, with the same codec,
level and row groups, or a folder of which to tell rows and digest. What came of it goes to standard output.
"""

import json
import sys
import time
from pathlib import Path

import numpy
import polars
import pyarrow
import pyarrow.compute
import pyarrow.parquet

# As connectors/src/export/part.rs has them.
CODEC = {"compression": "zstd", "compression_level": 1}
ROW_GROUP_ROWS = 131_072
TEXTS = ["unit_type", "provider", "batch_id", "source_batch", "user", "note"]

# As benches/src/truth.rs has them.
FACTORS = [0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F]
LAST_FACTOR = 0xE7037ED1A0B428DB
HUNDREDTHS_PER_MW = 100_000
MINUTE = 60_000_000


def files(folder):
    return sorted(Path(folder).rglob("*.parquet"))


def read(path):
    table = pyarrow.parquet.ParquetFile(path, read_dictionary=TEXTS).read()
    # Row groups bring dictionaries of their own; a table in memory has one.
    return table.unify_dictionaries().combine_chunks()


def write_with_pyarrow(tables, out):
    for name, table in tables.items():
        place = out / name
        place.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(table, place, row_group_size=ROW_GROUP_ROWS, **CODEC)


def write_with_polars(frames, out):
    for name, frame in frames.items():
        place = out / name
        place.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(place, row_group_size=ROW_GROUP_ROWS, **CODEC)


def digest_of(folder):
    """Rows, and a sum over them that is the same in any order."""
    rows, digest = 0, 0
    for path in files(folder):
        table = pyarrow.parquet.ParquetFile(path).read(
            columns=["unit_no", "provider", "period_minutes", "delivery_start", "value_mw"]
        )
        starts = table["delivery_start"].cast(pyarrow.timestamp("us", "UTC")).cast(pyarrow.int64())
        lengths = pyarrow.compute.utf8_length(table["provider"].cast(pyarrow.string()))
        values = numpy.rint(table["value_mw"].to_numpy() * HUNDREDTHS_PER_MW)
        fields = [
            table["unit_no"].to_numpy(),
            lengths.to_numpy(),
            table["period_minutes"].to_numpy(),
            starts.to_numpy() // MINUTE,
            values.astype(numpy.int64),
        ]
        total = numpy.zeros(len(table), dtype=numpy.uint64)
        for field, factor in zip(fields, FACTORS):
            total += field.astype(numpy.int64).view(numpy.uint64) * numpy.uint64(factor)
        total = (total ^ (total >> numpy.uint64(31))) * numpy.uint64(LAST_FACTOR)
        total ^= total >> numpy.uint64(29)
        rows += len(table)
        digest = (digest + int(total.sum(dtype=numpy.uint64))) % 2**64
    return {"rows": rows, "digest": digest}


def say(what):
    print(json.dumps(what), flush=True)


def main():
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
    source = Path(json.loads(sys.stdin.readline())["source"])
    tables = {path.relative_to(source): read(path) for path in files(source)}
    frames = {name: polars.from_arrow(table) for name, table in tables.items()}
    rows = sum(len(table) for table in tables.values())
    say(digest_of(source))
    for line in sys.stdin:
        told = json.loads(line)
        if "digest" in told:
            say(digest_of(told["digest"]))
            continue
        out = Path(told["out"])
        begun, before = time.perf_counter(), time.process_time()
        if told["writer"] == "pyarrow":
            write_with_pyarrow(tables, out)
        else:
            write_with_polars(frames, out)
        say({"rows": rows, "seconds": time.perf_counter() - begun, "cpu": time.process_time() - before})


main()
