"""Reads an exported view with pandas, polars and DuckDB.

An export that one of the analysts' tools cannot read, or reads differently, is no export: the
three must agree on the columns and the number of rows.

    read_everywhere.py OUT/VIEW
"""

import sys
from pathlib import Path

import duckdb
import pandas
import polars


def main():
    view = Path(sys.argv[1])
    files = f"{view}/**/*.parquet"
    table = pandas.read_parquet(view)
    frame = polars.read_parquet(files, hive_partitioning=True)
    source = f"read_parquet('{files}', hive_partitioning=true)"
    [(rows,)] = duckdb.sql(f"select count(*) from {source}").fetchall()
    counted = {"pandas": len(table), "polars": frame.height, "duckdb": rows}
    columns = {
        "pandas": sorted(table.columns),
        "polars": sorted(frame.columns),
        "duckdb": sorted(duckdb.sql(f"select * from {source} limit 0").columns),
    }
    if len(set(counted.values())) != 1 or len({tuple(names) for names in columns.values()}) != 1:
        sys.exit(f"{view} reads differently: {counted} {columns}")
    if rows == 0:
        sys.exit(f"{view} has no rows to compare")


if __name__ == "__main__":
    main()
