# rehearse alone, on a base that has glibc, certificates and nothing else; it runs as nobody.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
# Benchmarks and tests are no part of the binary, and Cargo wants those that Cargo.toml names to be there.
COPY benches benches
RUN cargo build --release --locked --bin rehearse && strip target/release/rehearse

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/rehearse /usr/local/bin/rehearse
WORKDIR /work
ENTRYPOINT ["/usr/local/bin/rehearse"]
CMD ["--help"]
