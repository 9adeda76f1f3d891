# The worker, or with `--build-arg EXTRAS=local` the local AWS emulator too.
#   docker build -t transcribe-queue .
#   docker build -t transcribe-queue:local --build-arg EXTRAS=local .

FROM python:3.12-slim AS builder
ARG EXTRAS=worker
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY producer producer
COPY worker worker
COPY localaws localaws
# Only wheels: where one is missing, this says so, instead of looking for a compiler.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /opt/venv \
    && /opt/venv/bin/pip install --disable-pip-version-check --only-binary :all: \
        --constraint constraints.txt ".[${EXTRAS}]"

FROM python:3.12-slim
# A fixed number, so that files on a shared disk belong to the same user on every machine. Results
# go to a folder in which any user may write, for those who run the container as another.
RUN groupadd --gid 10001 transcribe \
    && useradd --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin transcribe \
    && mkdir --mode 0755 /audio \
    && mkdir --mode 1777 /results
COPY --from=builder /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/home/transcribe \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TRANSCRIBE_AUDIO_ROOTS=/audio \
    TRANSCRIBE_RESULTS_DIR=/results
USER 10001:10001
WORKDIR /home/transcribe
STOPSIGNAL SIGTERM
CMD ["celery", "-A", "worker", "worker"]
