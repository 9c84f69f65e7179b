#!/bin/sh
# Make a stand-in for every published image that Debian has the program of (Dockerfile says why).
# StatsD's exporter and the OpenTelemetry collector are not in Debian: what Workcast needs of them is
# in Python. Grafana, Loki and Jaeger have no stand-in.
set -eu
cd "$(dirname "$0")"
standin() { docker build --quiet --build-arg "PACKAGE=$2" --build-arg "PROGRAM=$3" --tag "$1" . ; }
standin prom/prometheus:v3.5.0 prometheus prometheus
standin prom/alertmanager:v0.28.1 prometheus-alertmanager prometheus-alertmanager
in_python() { docker build --quiet -f python.Dockerfile --build-arg "PROGRAM=$2" --tag "$1" . ; }
in_python prom/statsd-exporter:v0.28.0 statsd.py
in_python otel/opentelemetry-collector-contrib:0.131.0 collector.py
standin prometheuscommunity/postgres-exporter:v0.17.1 prometheus-postgres-exporter prometheus-postgres-exporter
standin oliver006/redis_exporter:v1.74.0 prometheus-redis-exporter prometheus-redis-exporter
standin nginx:1.28 nginx-light nginx
