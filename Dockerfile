FROM python:3.13-slim AS build

WORKDIR /app
RUN python -m venv --without-pip /opt/venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY service ./service
# Editable, because the service reads db/ and templates/ next to its package.
RUN pip --python /opt/venv/bin/python install --no-cache-dir --constraint constraints.txt --editable '.[otel]'

FROM python:3.13-slim

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin wallets
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY --from=build /app ./
COPY db ./db
COPY templates ./templates
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '8000') + '/health/ready', timeout=4)"]
CMD ["wallets", "serve"]
