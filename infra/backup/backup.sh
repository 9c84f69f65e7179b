#!/bin/sh
# Write a backup of the platform into a new folder: the four databases, the lake, the models, the
# state. The servers go on; what they write meanwhile is not in it.
#   infra/backup/backup.sh [FOLDER]
set -eu
cd "$(dirname "$0")/../.."
. infra/backup/reach.sh
folder=$(realpath -m "${1:-backups/$(date -u +%Y%m%dT%H%M%SZ)}")
if [ -e "$folder" ]; then echo "$folder is there already: choose another folder." >&2; exit 1; fi
umask 077
unfinished="$folder.unfinished"
rm -rf "$unfinished"
mkdir -p "$unfinished"
for database in $DATABASES; do
  pg pg_dump --format=custom "$database" > "$unfinished/$database.dump"
  echo "database $database: $(wc -c < "$unfinished/$database.dump") bytes"
done
for name in $FOLDERS; do
  within "$name" "tar -czf - $(kept "$name")" > "$unfinished/$name.tar.gz"
  echo "folder $name: $(wc -c < "$unfinished/$name.tar.gz") bytes"
done
(cd "$unfinished" && sha256sum -- *.dump *.tar.gz > SHA256SUMS)
mv "$unfinished" "$folder"
echo "Backup in $folder"
