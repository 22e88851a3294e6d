# The gateway alone, as an unprivileged user. Configuration is mounted at /etc/flowspan/flowspan.yaml.
FROM python:3.11-slim AS build
WORKDIR /build
RUN python -m venv /opt/flowspan
COPY requirements.lock pyproject.toml README.md ./
RUN /opt/flowspan/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY app app
COPY flowspan flowspan
COPY telemetry telemetry
RUN /opt/flowspan/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
COPY --from=build /opt/flowspan /opt/flowspan
RUN useradd --system --no-create-home flowspan
USER flowspan
ENV PATH=/opt/flowspan/bin:$PATH
EXPOSE 8080 9464
HEALTHCHECK --interval=10s --timeout=2s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=1)"]
ENTRYPOINT ["flowspan"]
CMD ["serve", "--config", "/etc/flowspan/flowspan.yaml", "--host", "0.0.0.0", "--metrics-host", "0.0.0.0"]
