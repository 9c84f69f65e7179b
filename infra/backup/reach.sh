# How the scripts beside this file reach what they copy; sourced by them. Without
# WORKCAST_POSTGRES_HOST: in the containers of the compose file. With it: PostgreSQL at that host or
# socket folder (PGPORT, PGUSER, PGPASSWORD as libpq reads them), the folders below WORKCAST_HOME.
# shellcheck shell=sh
DATABASES="workcast airflow mlflow feast"
FOLDERS="lake mlflow state"
# What is kept of the state; the rest is made again by whoever needs it.
STATE="logs evidently reports data_docs expectations"

in_containers() { [ -z "${WORKCAST_POSTGRES_HOST:-}" ]; }

# pg TOOL ARGUMENT...: a client program of PostgreSQL.
pg() {
  tool=$1
  shift
  if in_containers; then
    docker compose exec -T postgres "$tool" -h /var/run/postgresql -U postgres "$@"
  else
    "$tool" -h "$WORKCAST_POSTGRES_HOST" -U "${PGUSER:-postgres}" "$@"
  fi
}

# within FOLDER COMMAND...: a shell command in one of the folders.
within() {
  case $1 in
    lake) role=workcast path=/lake ;;
    mlflow) role=mlflow path=/mlflow ;;
    state) role=workcast path= ;;
  esac
  if in_containers; then
    docker compose run --rm -T --no-deps --entrypoint sh "$role" -c "cd /var/lib/workcast$path && $2"
  else
    (cd "${WORKCAST_HOME:?is the folder of the state}$path" && sh -c "$2")
  fi
}

# What of a folder is kept, as words of a shell command in it.
kept() { if [ "$1" = state ]; then echo "\$(ls -d $STATE 2>/dev/null)"; else echo .; fi; }
