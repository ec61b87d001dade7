# syntax=docker/dockerfile:1
#
# The image of a release: the program, the libraries and CA certificates that it
# needs, and no shell. PostgreSQL is not in it: it is given by its URL.
#
#   docker build -t pim-authz:0.1.0 \
#       --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse HEAD) .
#
# Both stages are of one release of Debian, so that the C library is the same. Name
# them by digest where the builds must not move with their tags.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY data data
COPY demo demo
COPY proto proto
COPY src src
# The fastest profile of Cargo.toml, the versions of Cargo.lock. What cargo
# downloaded and built is kept between builds.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --profile dist --locked --bin pim-authz && \
    install -D target/dist/pim-authz /out/pim-authz

# scripts/make-image-root reads this stage; it knows this image and these instructions.
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="pim-authz" \
    org.opencontainers.image.description="The authorization service of a product-information-management platform" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /out/pim-authz /usr/local/bin/pim-authz
COPY LICENSE /usr/share/doc/pim-authz/LICENSE
# The image's `nonroot`, as a number: Kubernetes cannot verify that a user name is not root.
USER 65532:65532
WORKDIR /
# Loopback, the default, is the container's own. On other addresses the server requires
# TLS, or --insecure if something else encrypts.
ENV PIM_AUTHZ_LISTEN=0.0.0.0:50051
ENV PIM_AUTHZ_HTTP_LISTEN=0.0.0.0:9464
EXPOSE 50051 9464
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/pim-authz"]
CMD ["serve"]
