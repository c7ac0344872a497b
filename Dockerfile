# rehearse on a base that has glibc and a shell, which GitLab's runner needs; it runs as nobody.
FROM rust:1-bookworm AS build
# What is released has link-time optimisation; `--build-arg PROFILE=release` builds faster.
ARG PROFILE=dist
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
# Benchmarks are no part of the binary, and Cargo wants those that Cargo.toml names to be there.
COPY benches benches
RUN cargo build --profile "$PROFILE" --locked --all-features --bin rehearse && cp "target/$PROFILE/rehearse" rehearse

FROM debian:bookworm-slim
# For candidates behind TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/rehearse /usr/local/bin/rehearse
USER 65534:65534
WORKDIR /work
ENTRYPOINT ["/usr/local/bin/rehearse"]
CMD ["--help"]
