"""The commands `workcast bench …`, a file each."""

import typer

from pipelines.bench.commands.allocation import allocation
from pipelines.bench.commands.delay import delay
from pipelines.bench.commands.features import features
from pipelines.bench.commands.join import join
from pipelines.bench.commands.next_activity import next_activity
from pipelines.bench.commands.online import online
from pipelines.bench.commands.template import template

app = typer.Typer(
    name="bench",
    help="Measure the platform side by side with its peers, in one run.",
    no_args_is_help=True,
)
for command in (features, join, online, delay, allocation, next_activity, template):
    app.command()(command)
