# Tollkeeper in a container: built with network, run without.
FROM python:3.11-slim AS build
WORKDIR /src
# Without pip: what runs installs nothing.
RUN python -m venv --without-pip /opt/tollkeeper
COPY deploy/requirements.txt deploy/build-requirements.txt ./
# Nothing but what is pinned, and nothing whose content is not the one that was pinned.
RUN pip --python /opt/tollkeeper/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements.txt \
    && pip install --no-cache-dir --require-hashes --only-binary :all: -r build-requirements.txt
COPY pyproject.toml README.md ./
COPY gateway gateway
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir wheels . \
    && pip --python /opt/tollkeeper/bin/python install --no-cache-dir --no-deps --no-index wheels/*.whl

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/tollkeeper --create-home tollkeeper
COPY --from=build /opt/tollkeeper /opt/tollkeeper
COPY config /etc/tollkeeper
ENV PATH=/opt/tollkeeper/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TOLLKEEPER_CONFIG=/etc/tollkeeper/gateway.yaml
# By number, so that Kubernetes can tell that it is not root.
USER 10001:10001
# The spool and, without a store URL, the embedded server: store.data_dir is relative to this.
WORKDIR /var/lib/tollkeeper
VOLUME /var/lib/tollkeeper
EXPOSE 8080
# The admin listener is on loopback; 9090 is its default port.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9090/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["tollkeeper", "serve", "--config", "/etc/tollkeeper/gateway.yaml"]
