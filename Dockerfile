# Tollkeeper in a container: built with network, run without.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/tollkeeper
COPY pyproject.toml README.md ./
COPY gateway gateway
RUN /opt/tollkeeper/bin/pip install --no-cache-dir .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/tollkeeper --create-home tollkeeper
COPY --from=build /opt/tollkeeper /opt/tollkeeper
COPY config /etc/tollkeeper
ENV PATH=/opt/tollkeeper/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TOLLKEEPER_CONFIG=/etc/tollkeeper/gateway.yaml
USER tollkeeper
# The spool and, without a store URL, the embedded server: store.data_dir is relative to this.
WORKDIR /var/lib/tollkeeper
VOLUME /var/lib/tollkeeper
EXPOSE 8080
# The admin listener is on loopback; 9090 is its default port.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9090/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["tollkeeper", "serve", "--config", "/etc/tollkeeper/gateway.yaml"]
