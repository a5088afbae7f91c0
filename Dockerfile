# The service as an image: one binary with its console, no shell, no root.
#
#   docker build -t smartpulse .

FROM node:20-bookworm-slim AS console
WORKDIR /src/serve/console
COPY serve/console/package.json serve/console/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY serve/console/ ./
RUN npm run --silent build

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=console /src/serve/console/dist /console
ENV SMARTPULSE_CONSOLE=/console
RUN cargo build --locked --release --package smartpulse --bin smartpulse \
 && mkdir -p /data && chown 65532:65532 /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/smartpulse /usr/local/bin/smartpulse
# A volume that is made here belongs to the user of the image.
COPY --from=build --chown=65532:65532 /data /data
USER 65532:65532
EXPOSE 8080
VOLUME /data
ENTRYPOINT ["/usr/local/bin/smartpulse"]
CMD ["serve", "--data", "/data", "--listen", "0.0.0.0:8080"]
