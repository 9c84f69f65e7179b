# Stand-in for prom/statsd-exporter, for tests; made from the platform's image, which has what it needs.
FROM workcast:latest
COPY statsd.py /standin.py
LABEL org.opencontainers.image.description="Stand-in for tests; not the publisher's image."
ENTRYPOINT ["python", "/standin.py"]
