# Stages: `packages` holds what the proxy runs on, `tests` adds the tests and what they need, `final` is what serves.

FROM python:3.13-slim AS packages
ENV PYTHONUNBUFFERED=1
WORKDIR /app
# The image's own pip installs into it, so that it needs none. Wheels only: a slim image has no compiler.
RUN python -m venv --without-pip /opt/venv
COPY requirements.txt ./
RUN pip --python /opt/venv install --no-cache-dir --disable-pip-version-check --only-binary=:all: --require-hashes -r requirements.txt


FROM packages AS tests
COPY requirements-dev.txt ./
RUN pip --python /opt/venv install --no-cache-dir --disable-pip-version-check --only-binary=:all: --require-hashes -r requirements-dev.txt
RUN useradd --uid 1000 --create-home poe && chown poe /app
COPY --chown=poe:poe . ./
USER 1000
ENV PATH=/opt/venv/bin:$PATH
CMD ["python", "-m", "pytest"]


FROM python:3.13-slim AS final
LABEL org.opencontainers.image.title="Poe Proxy" org.opencontainers.image.licenses="AGPL-3.0-or-later"
WORKDIR /app
RUN useradd --uid 1000 --no-create-home poe && install --directory --owner=poe --group=poe /data
COPY --from=packages /opt/venv /opt/venv
# Owned by who runs it, since a checkout under a strict umask is readable by its owner only.
COPY --chown=poe:poe LICENSE proxy.py list_models.py models.yaml ./
COPY --chown=poe:poe poe_proxy ./poe_proxy
COPY --chown=poe:poe poe_sim ./poe_sim
# Compiled now, since a read-only container would do it again at each start.
RUN python -m compileall -q proxy.py poe_proxy poe_sim
USER 1000
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8080 \
    MODELS_FILE=/app/models.yaml \
    DATA_DIR=/data
EXPOSE 8080
VOLUME /data
# Without proxies: Docker may have put some into the environment, and they cannot reach this address.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["python", "-c", \
    "import os; from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:' + os.environ['PORT'] + '/health', timeout=4)"]
# A list, so that there is no shell between Docker's SIGTERM and the proxy.
CMD ["python", "proxy.py"]
