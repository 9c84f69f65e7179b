#!/bin/sh
# Prove that a backup can be restored: back up, lose every volume, restore, and compare figures.
# EVERYTHING of the platform in containers is deleted in between; not for an installation in use.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
infra/backup/figures.sh > "$work/before"
infra/backup/backup.sh "$work/backup"
docker compose --profile '*' down --volumes
infra/backup/restore.sh "$work/backup"
docker compose up -d --wait postgres
infra/backup/figures.sh > "$work/after"
cat "$work/after"
diff "$work/before" "$work/after"
echo "Restored as it was: $(wc -l < "$work/after") figures are the same."
