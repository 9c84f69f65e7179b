#!/bin/sh
# Print what a restored platform must have as before: rows of tables, files of volumes and their bytes.
set -eu
cd "$(dirname "$0")/../.."
ask() {
  docker compose exec -T postgres psql -U postgres -d "$1" -qAt -v ON_ERROR_STOP=1 -c "$2" | sed "s/^/$1 /"
}
ask workcast "SELECT 'workflows', count(*), count(closed_at), max(opened_at) FROM workflow.workflows"
ask workcast "SELECT 'task_events', count(*), max(recorded_at), md5(string_agg(event_id::text, ',' ORDER BY event_id)) FROM workflow.task_events"
ask workcast "SELECT 'predictions', count(*), max(requested_at) FROM workcast.predictions"
ask workcast "SELECT 'revision', version_num FROM workcast.alembic_version"
ask airflow "SELECT 'dag runs', dag_id, state, count(*) FROM dag_run GROUP BY dag_id, state ORDER BY 2, 3"
ask mlflow "SELECT 'aliases', name, alias, version FROM registered_model_aliases ORDER BY 2, 3"
ask mlflow "SELECT 'metrics', count(*), round(sum(value)::numeric, 6) FROM latest_metrics WHERE NOT is_nan"
ask feast "SELECT 'views', count(*) FROM feature_views"
for volume in lake mlflow; do
  docker compose run --rm -T --no-deps --entrypoint sh -v "workcast_$volume:/from:ro" workcast -c \
    'cd /from && find . -type f | LC_ALL=C sort | xargs -r sha256sum | sha256sum' | sed "s/^/volume $volume /"
done
