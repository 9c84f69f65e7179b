#!/bin/sh
# Print what a restored platform must have as before: rows of tables, files of folders and their bytes.
set -eu
cd "$(dirname "$0")/../.."
. infra/backup/reach.sh
# A query that fails ends the script: no pipe hides it.
ask() {
  rows=$(pg psql -d "$1" -qAt -v ON_ERROR_STOP=1 -c "$2")
  [ -z "$rows" ] || echo "$rows" | sed "s/^/$1 /"
}
ask workcast "SELECT 'workflows', count(*), count(closed_at), max(opened_at) FROM workflow.workflows"
ask workcast "SELECT 'task_events', count(*), max(recorded_at), md5(string_agg(event_id::text, ',' ORDER BY event_id)) FROM workflow.task_events"
ask workcast "SELECT 'predictions', count(*), max(requested_at) FROM workcast.predictions"
ask workcast "SELECT 'revision', version_num FROM workcast.alembic_version"
ask airflow "SELECT 'dag runs', dag_id, state, count(*) FROM dag_run GROUP BY dag_id, state ORDER BY 2, 3"
ask mlflow "SELECT 'aliases', name, alias, version FROM registered_model_aliases ORDER BY 2, 3"
ask mlflow "SELECT 'metrics', count(*), round(sum(value)::numeric, 6) FROM latest_metrics WHERE NOT is_nan"
ask feast "SELECT 'views', count(*) FROM feature_views"
# DAG tasks' logs grow while a backup is made.
for name in $FOLDERS; do
  digest=$(within "$name" "find $(kept "$name") -type f ! -path 'logs/*' | LC_ALL=C sort | tr '\\n' '\\0' | xargs -0r sha256sum | sha256sum")
  echo "folder $name ${digest%% *}"
done
