"""What `feast apply` registers, one name each; made from `pipelines.features.views`."""

from pipelines.settings import get_settings
from pipelines.store.definitions import feast_definitions

_settings = get_settings()
_definitions = feast_definitions(_settings.lake, _settings.engine)

project = _definitions.project

workflow = _definitions.entities["workflow_id"]
activity = _definitions.entities["activity"]
person = _definitions.entities["person_id"]
team = _definitions.entities["team_id"]

workflow_progress = _definitions.views["workflow_progress"]
workflow_status = _definitions.views["workflow_status"]
activity_stats = _definitions.views["activity_stats"]
person_workload = _definitions.views["person_workload"]
person_activity = _definitions.views["person_activity"]
team_load = _definitions.views["team_load"]

remaining_time = _definitions.services["remaining_time"]
delay_risk = _definitions.services["delay_risk"]
task_duration = _definitions.services["task_duration"]
