"""A DuckDB of a build: every thread's connection counts in UTC."""

from pipelines.features.scratch import open_engine


def test_cursors_have_no_zone_of_the_machine() -> None:
    with open_engine("100MB") as connection, connection.cursor() as cursor:
        for one in (connection, cursor):
            assert one.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
