"""The commands `workcast bench …`, a file each."""

import typer

from pipelines.bench.commands.ablations import ablations
from pipelines.bench.commands.allocation import allocation
from pipelines.bench.commands.assignee import assignee
from pipelines.bench.commands.delay import delay
from pipelines.bench.commands.features import features
from pipelines.bench.commands.join import join
from pipelines.bench.commands.next_activity import next_activity
from pipelines.bench.commands.online import online
from pipelines.bench.commands.remaining_time import remaining_time
from pipelines.bench.commands.retrain import retrain
from pipelines.bench.commands.serving import serving
from pipelines.bench.commands.sla import sla
from pipelines.bench.commands.task_duration import task_duration
from pipelines.bench.commands.template import template

app = typer.Typer(
    name="bench",
    help="Measure the platform side by side with its peers, in one run.",
    no_args_is_help=True,
)
for command in (
    features,
    join,
    online,
    serving,
    retrain,
    remaining_time,
    task_duration,
    delay,
    sla,
    assignee,
    next_activity,
    template,
    allocation,
    ablations,
):
    app.command()(command)
