"""The command `workcast bench join`; heavy libraries are imported inside it."""

from typing import Annotated

import typer

from pipelines.bench.commands.options import JsonOption


def join(
    *,
    entity_rows: Annotated[int, typer.Option(min=1, help="Rows to join features to.")] = 100_000,
    feature_rows: Annotated[int, typer.Option(min=1, help="Rows of each view.")] = 500_000,
    entities: Annotated[int, typer.Option(min=1, help="Keys among all rows.")] = 500,
    views: Annotated[int, typer.Option(min=1, help="Views of four features each.")] = 1,
    ttl_days: Annotated[int, typer.Option(min=1, help="Time-to-live, of a year of rows.")] = 90,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each contender.")] = 3,
    with_stock: Annotated[
        bool, typer.Option("--with-stock", help="Feast's own DuckDB store too, which is slow.")
    ] = False,
    json_path: JsonOption = None,
) -> None:
    """Join features point in time through Feast's own call, beside DuckDB by hand."""
    from pipelines.bench.join import join_content, join_rows, measure_join
    from pipelines.bench.join_data import JoinSizes
    from pipelines.bench.report import open_console, print_table, write_json

    sizes = JoinSizes(entity_rows, feature_rows, entities, views, ttl_days)
    console = open_console()
    with console.status("Writing the data") as status:
        figures = measure_join(
            sizes,
            rounds,
            with_stock=with_stock,
            progress=lambda name, done, total: status.update(f"{name}: {done} of {total}"),
        )
    title = (
        f"{entity_rows:,} entity rows x {views} views of {feature_rows:,} rows ({entities:,} "
        "entities); by event time, or as known at each row's moment"
    )
    header = ["join", "median s", "range", "peak MiB", "times ASOF", "times best by hand"]
    print_table(console, title, header, join_rows(figures))
    if json_path is not None:
        libraries = ["feast", "duckdb", "pyarrow", "numpy"]
        write_json(json_path, "join", join_content(sizes, figures), libraries)
