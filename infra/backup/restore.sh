#!/bin/sh
# Bring the platform back to a backup: everything newer is lost. Features online are not in a
# backup: they are written again from the lake. Outside of containers stop every server but
# PostgreSQL first.
#   infra/backup/restore.sh FOLDER
set -eu
cd "$(dirname "$0")/../.."
. infra/backup/reach.sh
folder=$(realpath "${1:?usage: infra/backup/restore.sh FOLDER}")
(cd "$folder" && sha256sum --check --quiet SHA256SUMS)
if in_containers; then
  docker compose --profile '*' down
  docker compose up -d --wait postgres
fi
for database in $DATABASES; do
  # Owners are made again by `migrate`; here they must exist before what they own.
  pg psql -q -v ON_ERROR_STOP=1 -v name="$database" -d postgres <<'SQL'
SELECT format('CREATE ROLE %I LOGIN', :'name')
WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :'name') \gexec
DROP DATABASE IF EXISTS :"name" WITH (FORCE);
CREATE DATABASE :"name" OWNER :"name";
SQL
  # Who may read is said again by `migrate`, too.
  pg pg_restore --exit-on-error --no-privileges -d "$database" < "$folder/$database.dump"
  echo "database $database restored"
done
for name in $FOLDERS; do
  case $name in state) old=$STATE ;; *) old='* .[!.]*' ;; esac
  within "$name" "rm -rf $old && tar -xzf -" < "$folder/$name.tar.gz"
  echo "folder $name restored"
done
if in_containers; then
  if [ "$(pg psql -d workcast -qAt -c "SELECT count(*) FROM workcast.watermarks WHERE stage = 'features'")" = 1 ]; then
    docker compose run --rm -T migrate  # sets the owners' passwords; starts the stores
    docker compose run --rm -T --no-deps workcast materialise
  fi
  docker compose down
  echo "Restored. Start with: make up"
else
  echo "Restored. Start with: workcast up; then: workcast materialise"
fi
