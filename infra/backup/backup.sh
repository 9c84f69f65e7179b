#!/bin/sh
# Write a backup of the platform in containers into a new folder: the four databases, the lake, the
# models, the state. The servers go on; what they write meanwhile is not in it.
#   infra/backup/backup.sh [FOLDER]
set -eu
cd "$(dirname "$0")/../.."
folder=$(realpath -m "${1:-backups/$(date -u +%Y%m%dT%H%M%SZ)}")
if [ -e "$folder" ]; then echo "$folder is there already: choose another folder." >&2; exit 1; fi
umask 077
unfinished="$folder.unfinished"
rm -rf "$unfinished"
mkdir -p "$unfinished"
for database in workcast airflow mlflow feast; do
  docker compose exec -T postgres pg_dump -U postgres -h /var/run/postgresql --format=custom "$database" > "$unfinished/$database.dump"
  echo "database $database: $(wc -c < "$unfinished/$database.dump") bytes"
done
for volume in lake mlflow state; do
  docker compose run --rm -T --no-deps --entrypoint tar -v "workcast_$volume:/from:ro" workcast \
    -C /from --exclude=./lake --exclude=./airflow -czf - . > "$unfinished/$volume.tar.gz"
  echo "volume $volume: $(wc -c < "$unfinished/$volume.tar.gz") bytes"
done
(cd "$unfinished" && sha256sum -- *.dump *.tar.gz > SHA256SUMS)
mv "$unfinished" "$folder"
echo "Backup in $folder"
