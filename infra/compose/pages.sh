#!/bin/sh
# Show where the pages of the platform in containers are, and who may enter.
cd "$(dirname "$0")/../.." || exit 1
page() { printf '%-10s http://%-22s %s\n' "$1" "$(docker compose port "$2" "$3" 2>/dev/null)" "$4"; }
page Airflow airflow-api-server 8080 "DAGs; user admin, password in infra/compose/secrets/workcast_airflow_password"
page MLflow mlflow 5000 "experiments, registered models"
page service serving 3000 "predictions over HTTP; API page at this address"
page Evidently evidently 8085 "drift reports"
