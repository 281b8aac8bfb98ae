# Built from the Go image, run from nothing: one static binary, no shell, no root.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/tollgate ./cmd/tollgate \
 && mkdir -p -m 0700 /out/root/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/tollgate /tollgate
# Of a directory that is copied itself the mode is lost, so what holds it is copied.
COPY --from=build --chown=65532:65532 /out/root /
USER 65532:65532
# SQLite sorts large results in files; there is no /tmp here.
ENV PORT=3443 TOLLGATE_DATA=/data TMPDIR=/data
VOLUME /data
EXPOSE 3443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/tollgate", "health"]
ENTRYPOINT ["/tollgate"]
CMD ["serve"]
