# One file, five images: web, translate, translate-gpu, train, train-gpu.
#
#   docker build --target web -t mapgan:web .
#
# Each image runs any of its roles: docker run mapgan:web web|beat|maintenance|prepare. docs/deploy.md tells which role
# runs from which image. They run as user 10001, on a read-only root file system, and write to /var/lib/mapgan and /tmp.
# The release workflow pins this base image by digest and keeps the digest in each image's provenance.

FROM python:3.11-slim-bookworm AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# --- Packages: each lock into a folder of its own, every file by its hash ------------------------------------------
FROM base AS installer
# uv's own settings; an index of yours comes by --build-arg PIP_INDEX_URL=… --build-arg UV_DEFAULT_INDEX=…
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
ENV UV_COMPILE_BYTECODE=1 \
    UV_HTTP_TIMEOUT=300 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    VIRTUAL_ENV=/opt/venv
WORKDIR /build
COPY requirements/uv.lock ./
RUN python -m venv --without-pip /opt/venv \
    && python -m venv /opt/uv \
    && /opt/uv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r uv.lock

FROM installer AS web-packages
COPY requirements/web.lock ./
RUN /opt/uv/bin/uv pip install --require-hashes -r web.lock

FROM installer AS translate-packages
COPY requirements/translate.lock ./
RUN /opt/uv/bin/uv pip install --require-hashes -r translate.lock

FROM installer AS translate-gpu-packages
COPY requirements/translate-gpu.lock ./
RUN /opt/uv/bin/uv pip install --require-hashes -r translate-gpu.lock

FROM installer AS train-packages
COPY requirements/train.lock ./
# TensorFlow's headers are for those who compile against it
RUN /opt/uv/bin/uv pip install --require-hashes -r train.lock \
    && rm -rf /opt/venv/lib/python3.11/site-packages/tensorflow/include

FROM installer AS train-gpu-packages
COPY requirements/train-gpu.lock ./
RUN /opt/uv/bin/uv pip install --require-hashes -r train-gpu.lock \
    && rm -rf /opt/venv/lib/python3.11/site-packages/tensorflow/include

# --- The code, compiled, and the site's static files, collected and compressed --------------------------------------
FROM web-packages AS code
WORKDIR /app
COPY . .
# the project's own metadata, for the version that pages and logs show
RUN /opt/uv/bin/uv pip install --quiet --offline --no-deps --target /build/own . \
    && mv /build/own/mapgan-*.dist-info . && rm -r /build/own pyproject.toml README.md
RUN rm -r requirements && mv generators /build/ \
    && MAPGAN_ENV=local MAPGAN_VAR_DIR=/build/var MAPGAN_STATIC_DIR=/build/static python manage.py collectstatic --noinput --verbosity 0 \
    && python -m compileall -q . \
    && chmod -R go-w,a+rX . /build/generators /build/static

# --- What all images share ------------------------------------------------------------------------------------------
FROM base AS runtime
RUN groupadd --system --gid 10001 mapgan \
    && useradd --system --no-log-init --uid 10001 --gid mapgan --home-dir /var/lib/mapgan --shell /usr/sbin/nologin mapgan \
    && install -d -o mapgan -g mapgan -m 0700 /var/lib/mapgan
WORKDIR /app
COPY --from=code /app/ ./
# what the page of workers shows beside the version: the release workflow gives the tag
ARG BUILD
ENV HOME=/tmp \
    HOST=0.0.0.0 \
    KERAS_HOME=/tmp/keras \
    MAPGAN_BUILD=$BUILD \
    MAPGAN_ENV=production \
    MAPGAN_ENV_FILE= \
    MAPGAN_VAR_DIR=/var/lib/mapgan \
    PYTHONPATH=/app
USER 10001:10001
VOLUME /var/lib/mapgan
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "/app/scripts/process.py"]

# --- web: no TensorFlow, no ONNX Runtime; also beat, maintenance and prepare ----------------------------------------
FROM runtime AS web
COPY --from=code /build/generators/ /app/generators/
COPY --from=code /build/static/ /opt/static/
COPY --from=web-packages /opt/venv /opt/venv
ENV MAPGAN_STATIC_DIR=/opt/static
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "/app/scripts/healthcheck.py", "web"]
CMD ["web"]

# --- translate: ONNX Runtime on the CPU -----------------------------------------------------------------------------
FROM runtime AS translate
COPY --from=translate-packages /opt/venv /opt/venv
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s --retries=3 CMD ["python", "/app/scripts/healthcheck.py", "translate"]
CMD ["translate"]

# --- translate-gpu: ONNX Runtime with CUDA 13, all of it from wheels; the host gives the driver (580 or newer) -----
FROM runtime AS translate-gpu
COPY --from=translate-gpu-packages /opt/venv /opt/venv
USER 0:0
# where the loader finds what the nvidia-* wheels brought
RUN find /opt/venv/lib/python3.11/site-packages/nvidia -type d -name lib >/etc/ld.so.conf.d/nvidia-wheels.conf && ldconfig
USER 10001:10001
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    NVIDIA_VISIBLE_DEVICES=all
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s --retries=3 CMD ["python", "/app/scripts/healthcheck.py", "translate"]
CMD ["translate"]

# --- train: TensorFlow on the CPU; also data, which examines datasets and exports checkpoints -----------------------
FROM runtime AS train
COPY --from=train-packages /opt/venv /opt/venv
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s --retries=3 CMD ["python", "/app/scripts/healthcheck.py", "train"]
CMD ["train"]

# --- train-gpu: TensorFlow with CUDA 12 from wheels; the host gives the driver (525 or newer) -----------------------
FROM runtime AS train-gpu
COPY --from=train-gpu-packages /opt/venv /opt/venv
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    NVIDIA_VISIBLE_DEVICES=all
HEALTHCHECK --interval=60s --timeout=15s --start-period=60s --retries=3 CMD ["python", "/app/scripts/healthcheck.py", "train"]
CMD ["train"]
