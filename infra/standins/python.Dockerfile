# Stand-ins in Python, for tests; made from the platform's image, which has what they need.
FROM workcast:latest
ARG PROGRAM
COPY ${PROGRAM} /standin.py
LABEL org.opencontainers.image.description="Stand-in for tests; not the publisher's image."
ENTRYPOINT ["python", "/standin.py"]
