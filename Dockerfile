FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/spanledger
COPY pyproject.toml README.md ./
COPY sdk sdk
COPY collector collector
COPY storage storage
COPY analytics analytics
COPY alerts alerts
COPY dashboard dashboard
COPY server server
RUN /opt/spanledger/bin/pip install --no-cache-dir --disable-pip-version-check ./sdk ./sdk/workers ".[postgres,oidc]"

FROM python:3.12-slim
ENV PATH=/opt/spanledger/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/spanledger \
    SPANLEDGER_DATA=/var/lib/spanledger
# A new named volume takes owner and mode from this directory.
RUN useradd --system --uid 10001 --home-dir /var/lib/spanledger --shell /usr/sbin/nologin spanledger \
    && install --directory --owner=spanledger --group=spanledger --mode=0750 /var/lib/spanledger
COPY --from=build /opt/spanledger /opt/spanledger
USER spanledger
WORKDIR /var/lib/spanledger
EXPOSE 4317 4318 8501 8502
ENTRYPOINT ["spanledger"]
CMD ["--help"]
