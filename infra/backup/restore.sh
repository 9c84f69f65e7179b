#!/bin/sh
# Bring the platform in containers back to a backup: everything newer is lost. Features online are
# not in a backup: the DAG build_features fills Valkey again from the lake.
#   infra/backup/restore.sh FOLDER
set -eu
cd "$(dirname "$0")/../.."
folder=$(realpath "${1:?usage: infra/backup/restore.sh FOLDER}")
(cd "$folder" && sha256sum --check --quiet SHA256SUMS)
docker compose down
docker compose up -d --wait postgres
for database in workcast airflow mlflow feast; do
  # Owners are made again by `migrate`; here they must exist before what they own.
  docker compose exec -T postgres psql -qU postgres -v ON_ERROR_STOP=1 -v name="$database" <<'SQL'
SELECT format('CREATE ROLE %I LOGIN', :'name')
WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :'name') \gexec
DROP DATABASE IF EXISTS :"name" WITH (FORCE);
CREATE DATABASE :"name" OWNER :"name";
SQL
  docker compose exec -T postgres pg_restore -U postgres --exit-on-error -d "$database" < "$folder/$database.dump"
  echo "database $database restored"
done
for volume in lake mlflow state; do
  docker compose run --rm -T --no-deps --entrypoint sh -v "workcast_$volume:/to" workcast -c \
    'cd /to && find . -mindepth 1 -maxdepth 1 ! -name lake ! -name airflow -exec rm -rf {} + && tar -xzf - -C /to' \
    < "$folder/$volume.tar.gz"
  echo "volume $volume restored"
done
docker compose down
echo "Restored. Start with: make up; then trigger the DAG build_features."
