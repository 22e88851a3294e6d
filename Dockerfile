# The gateway alone, for a user without rights and a root that is read only. Its configuration is mounted at
# /etc/flowspan/flowspan.yaml, its state at /var/lib/flowspan; docs/deploy/docker.md says how it is run.
#
# The Python of the official image is built with profile-guided and link-time optimization. Name it by its digest to have
# the same one each time: --build-arg PYTHON=python:3.11-slim@sha256:...
ARG PYTHON=python:3.11-slim
FROM ${PYTHON} AS build
WORKDIR /build
# Without pip, which nothing needs in the image: that of the base works on the environment from outside.
RUN python -m venv --without-pip /opt/flowspan
COPY requirements.lock requirements-image.lock ./
RUN python -m pip --python /opt/flowspan/bin/python install --no-cache-dir --no-deps --require-hashes \
        -r requirements.lock -r requirements-image.lock
COPY pyproject.toml README.md ./
COPY app app
COPY flowspan flowspan
COPY telemetry telemetry
RUN python -m pip --python /opt/flowspan/bin/python install --no-cache-dir --no-deps --no-build-isolation . \
    && python -m pip --python /opt/flowspan/bin/python check

FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Flowspan" \
      org.opencontainers.image.description="An observability-first LLM gateway" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/flowspan /opt/flowspan
# The folder is its group's, too: some clusters choose another user, whose group is 0.
RUN useradd --uid 10001 --user-group --home-dir /var/lib/flowspan --no-create-home --shell /usr/sbin/nologin flowspan \
    && install --directory --owner=10001 --group=0 --mode=0770 /var/lib/flowspan \
    && install --directory /etc/flowspan
# By number, so that a cluster knows that it is not root.
USER 10001
WORKDIR /var/lib/flowspan
ENV PATH=/opt/flowspan/bin:$PATH \
    HOME=/var/lib/flowspan \
    FLOWSPAN_ADDRESS_FILE=/tmp/flowspan.address
EXPOSE 8080 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["flowspan", "health"]
ENTRYPOINT ["flowspan"]
CMD ["serve", "--config", "/etc/flowspan/flowspan.yaml", "--host", "0.0.0.0", "--metrics-host", "0.0.0.0"]
