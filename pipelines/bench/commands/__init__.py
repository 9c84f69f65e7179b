"""The commands `workcast bench …`, a file each."""

import typer

from pipelines.bench.commands.allocation import allocation
from pipelines.bench.commands.delay import delay
from pipelines.bench.commands.features import features
from pipelines.bench.commands.join import join
from pipelines.bench.commands.online import online
from pipelines.bench.commands.task_duration import task_duration

app = typer.Typer(
    name="bench",
    help="Measure the platform side by side with its peers, in one run.",
    no_args_is_help=True,
)
for command in (features, join, online, delay, allocation, task_duration):
    app.command()(command)
