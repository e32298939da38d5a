# Verdicts without PyTorch:  docker build -t demagnify .
# Everything, on a GPU:      docker build -t demagnify:gpu --build-arg EXTRAS=research,serve .
# docs/containers.md shows how to run them.
FROM python:3.11.14-slim-bookworm AS build
ARG EXTRAS=serve,video
WORKDIR /source
RUN python -m venv /opt/demagnify
COPY . .
# The face finder comes into the image, so that it runs without a network.
RUN /opt/demagnify/bin/pip install --no-cache-dir -c constraints.txt ".[${EXTRAS}]" \
    && DEMAGNIFY_CACHE=/opt/demagnify/cache /opt/demagnify/bin/demagnify assets --fetch yunet

FROM python:3.11.14-slim-bookworm
RUN useradd --uid 1000 --create-home --no-log-init demagnify
COPY --from=build /opt/demagnify /opt/demagnify
ENV PATH=/opt/demagnify/bin:$PATH \
    DEMAGNIFY_CACHE=/opt/demagnify/cache \
    PYTHONDONTWRITEBYTECODE=1
USER 1000:1000
WORKDIR /work
EXPOSE 8000
ENTRYPOINT ["demagnify"]
CMD ["--help"]
