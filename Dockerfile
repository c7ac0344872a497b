# rehearse on a base that has glibc and a shell, which GitLab's runner needs; it runs as nobody.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
# Benchmarks are no part of the binary, and Cargo wants those that Cargo.toml names to be there.
COPY benches benches
RUN cargo build --release --locked --bin rehearse && strip target/release/rehearse

FROM debian:bookworm-slim
# For candidates behind TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/target/release/rehearse /usr/local/bin/rehearse
USER 65534:65534
WORKDIR /work
ENTRYPOINT ["/usr/local/bin/rehearse"]
CMD ["--help"]
