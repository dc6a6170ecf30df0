// Shapes of projects of Go and Rust.
import { type Shape, shape } from './shape.ts';

const main =
  'package main\n\nimport "net/http"\n\nfunc main() {\n\thttp.HandleFunc("/healthz", ok)\n\thttp.ListenAndServe(":8080", nil)\n}\n';

export const nativeShapes: readonly Shape[] = [
  shape(
    'go, one program',
    { 'go.mod': 'module example.com/echo\n\ngo 1.19\n', 'main.go': main },
    `
    project echo
    echo . go service [high]
      version  1.19 <- go.mod: its go line says 1.19
      manager  go
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/echo .
      tools    golang-go
      start    ./echo [high] <- go.mod: builds echo
      port     8080 [medium] <- main.go: line 7 listens on 8080
      health   /healthz [medium] <- main.go: line 6 answers /healthz
  `,
  ),
  shape(
    'go with gin and a later toolchain',
    {
      'go.mod':
        'module github.com/acme/gateway/v2\n\ngo 1.22\n\ntoolchain go1.23.1\n\nrequire github.com/gin-gonic/gin v1.10.0\n',
      'go.sum': '',
      'main.go': 'package main\nfunc main() {\n\tr := gin.Default()\n\tr.GET("/ping", p)\n\tr.Run(":9090")\n}\n',
    },
    `
    project gateway
    gateway . go gin service [high]
      version  1.23.1 <- go.mod: its toolchain line says 1.23.1
      manager  go
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/gateway .
      start    ./gateway [high] <- go.mod: builds gateway
      port     9090 [medium] <- main.go: line 5 listens on 9090
      health   /ping [medium] <- main.go: line 4 answers /ping
      lock     go.sum (go)
    note go.mod: wants Go 1.23.1, and Debian 12 has 1.19.8; mend: lower the go line to 1.19, or name a base image with that toolchain by its digest for the build step
  `,
  ),
  shape(
    'go with several programs in cmd',
    {
      'go.mod': 'module example.com/suite\n\ngo 1.18\n',
      'cmd/api/main.go': main,
      'cmd/worker/main.go': 'package main\nfunc main() { loop() }\n',
      'internal/store/store.go': 'package store\n',
    },
    `
    project suite
    api . go service [high]
      version  1.18 <- go.mod: its go line says 1.18
      manager  go
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/api ./cmd/api
      tools    golang-go
      start    ./api [high] <- go.mod: builds api
      port     8080 [medium] <- cmd/api/main.go: line 7 listens on 8080
      health   /healthz [medium] <- cmd/api/main.go: line 6 answers /healthz
    worker . go worker [high]
      version  1.18 <- go.mod: its go line says 1.18
      manager  go
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/worker ./cmd/worker
      tools    golang-go
      start    ./worker [high] <- go.mod: builds worker
    note go.mod: no port was found: it is taken for a worker that doesn't listen; mend: add "ports" to its container if it does
  `,
  ),
  shape(
    'go with one program in cmd and its server inside',
    {
      'go.mod': 'module example.com/one\n\ngo 1.19\n\nrequire github.com/go-chi/chi/v5 v5.0.0\n',
      'cmd/one/main.go': 'package main\nfunc main() { server.Run() }\n',
      'internal/server/server.go': 'package server\nfunc Run() { srv := &http.Server{Addr: ":7070"}\n}\n',
    },
    `
    project one
    one . go chi service [high]
      version  1.19 <- go.mod: its go line says 1.19
      manager  go
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/one ./cmd/one
      tools    golang-go
      start    ./one [high] <- go.mod: builds one
      port     7070 [medium] <- internal/server/server.go: line 2 listens on 7070
    note go.mod: no lock file: another day brings other versions; mend: write one: go mod tidy
  `,
  ),
  shape(
    'go, a library',
    { 'go.mod': 'module example.com/lib\n\ngo 1.19\n', 'lib.go': 'package lib\n' },
    `
    project lib
    library . go <- go.mod: has no package main
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
  `,
  ),
  shape(
    'go.work with two modules',
    {
      'go.work': 'go 1.19\n\nuse (\n\t./services/api\n\t./libs/log\n)\n',
      'services/api/go.mod': 'module example.com/api\n\ngo 1.19\n\nrequire example.com/log v0.0.0\n',
      'services/api/go.sum': '',
      'services/api/main.go': main,
      'libs/log/go.mod': 'module example.com/log\n',
      'libs/log/log.go': 'package log\n',
    },
    `
    project api
    api services/api go service [high]
      version  1.19 <- services/api/go.mod: its go line says 1.19
      manager  go
      root     ., starts in .
      source   libs/log/**
      source   services/api/**
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/api ./services/api
      tools    golang-go
      start    ./api [high] <- services/api/go.mod: builds api
      port     8080 [medium] <- services/api/main.go: line 7 listens on 8080
      health   /healthz [medium] <- services/api/main.go: line 6 answers /healthz
      lock     services/api/go.sum (go)
    library libs/log go <- libs/log/go.mod: has no package main
  `,
  ),
  shape(
    'rust with axum',
    {
      'Cargo.toml':
        '[package]\nname = "ledger"\nversion = "0.1.0"\nrust-version = "1.63"\n[dependencies]\naxum = "0.5"\n',
      'Cargo.lock': '',
      'src/main.rs':
        'let app = Router::new().route("/health", get(ok));\nlet listener = TcpListener::bind("0.0.0.0:3000");\n',
    },
    `
    project ledger
    ledger . rust axum service [high]
      version  1.63 <- Cargo.toml: package.rust-version says 1.63
      runtime  libgcc-s1 1.63.0
      manager  cargo
      build    cargo build --release --locked --package ledger --bin ledger --target-dir /tmp/target
      build    cp /tmp/target/release/ledger /out/ledger
      tools    cargo rustc
      start    ./ledger [high] <- Cargo.toml: builds ledger
      port     3000 [medium] <- src/main.rs: line 2 listens on 3000
      health   /health [medium] <- src/main.rs: line 1 answers /health
      lock     Cargo.lock (cargo)
  `,
  ),
  shape(
    'rust with a pinned toolchain and no lock',
    {
      'Cargo.toml': '[package]\nname = "new-rust"\n[dependencies]\nactix-web = "4"\n',
      'rust-toolchain.toml': '[toolchain]\nchannel = "1.80.0"\n',
      'src/main.rs': 'HttpServer::new(app).bind(("127.0.0.1", 8081))?\n',
    },
    `
    project new-rust
    new-rust . rust actix-web service [high]
      version  1.80.0 <- rust-toolchain.toml: its channel says 1.80.0
      manager  cargo
      build    cargo build --release --package new-rust --bin new-rust --target-dir /tmp/target
      build    cp /tmp/target/release/new-rust /out/new-rust
      start    ./new-rust [high] <- Cargo.toml: builds new-rust
      port     8081 [medium] <- src/main.rs: line 1 listens on 8081
    note Cargo.toml: no lock file: another day brings other versions; mend: write one: cargo generate-lockfile
    note rust-toolchain.toml: wants Rust 1.80.0, and Debian 12 has 1.63.0; mend: lower rust-version to 1.63, or name a base image with that toolchain by its digest for the build step
    note src/main.rs: line 1 listens on the loopback address: nothing outside the container reaches it; mend: listen on 0.0.0.0
  `,
  ),
  shape(
    'rust with rocket',
    {
      'Cargo.toml': '[package]\nname = "rocketeer"\n[dependencies]\nrocket = "0.5"\n',
      'Cargo.lock': '',
      'Rocket.toml': '[release]\nport = 8500\n',
      'src/main.rs': '#[get("/health")]\nfn h() {}\n',
    },
    `
    project rocketeer
    rocketeer . rust rocket service [high]
      runtime  libgcc-s1 1.63.0
      manager  cargo
      build    cargo build --release --locked --package rocketeer --bin rocketeer --target-dir /tmp/target
      build    cp /tmp/target/release/rocketeer /out/rocketeer
      tools    cargo rustc
      start    ./rocketeer [high] <- Cargo.toml: builds rocketeer
      port     8500 [high] <- Rocket.toml: port is 8500
      health   /health [medium] <- src/main.rs: line 1 answers /health
      lock     Cargo.lock (cargo)
  `,
  ),
  shape(
    'rust, a library',
    { 'Cargo.toml': '[package]\nname = "parse"\n', 'src/lib.rs': '' },
    `
    project parse
    library . rust <- Cargo.toml: has no binary
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
  `,
  ),
  shape(
    'rust with several binaries',
    {
      'Cargo.toml': '[package]\nname = "multi"\ndefault-run = "server"\n',
      'Cargo.lock': '',
      'src/bin/server.rs': 'TcpListener::bind("0.0.0.0:6000")',
      'src/bin/import.rs': 'fn main() {}',
      'src/lib.rs': '',
    },
    `
    project multi
    server . rust service [high]
      runtime  libgcc-s1 1.63.0
      manager  cargo
      build    cargo build --release --locked --package multi --bin server --target-dir /tmp/target
      build    cp /tmp/target/release/server /out/server
      tools    cargo rustc
      start    ./server [high] <- Cargo.toml: builds server
      port     6000 [medium] <- src/bin/server.rs: line 1 listens on 6000
      lock     Cargo.lock (cargo)
    library . rust <- .: is run by hand: not deployed
  `,
  ),
  shape(
    'a workspace of Cargo',
    {
      'Cargo.toml': '[workspace]\nmembers = ["crates/*"]\n',
      'Cargo.lock': '',
      'rust-toolchain': '1.63.0\n',
      'crates/web/Cargo.toml': '[package]\nname = "web"\n[dependencies]\ncore = { path = "../core" }\nwarp = "0.3"\n',
      'crates/web/src/main.rs': 'warp::serve(routes).run(([0, 0, 0, 0], 3030)).await;\n',
      'crates/core/Cargo.toml': '[package]\nname = "core"\n',
      'crates/core/src/lib.rs': '',
    },
    `
    project web
    web crates/web rust warp service [high]
      version  1.63.0 <- rust-toolchain: its channel says 1.63.0
      runtime  libgcc-s1 1.63.0
      manager  cargo
      root     ., starts in .
      source   crates/core/**
      source   crates/web/**
      build    cargo build --release --locked --package web --bin web --target-dir /tmp/target
      build    cp /tmp/target/release/web /out/web
      tools    cargo rustc
      start    ./web [high] <- crates/web/Cargo.toml: builds web
      port     3030 [medium] <- crates/web/src/main.rs: line 1 listens on 3030
      lock     Cargo.lock (cargo)
    library crates/core rust <- crates/core/Cargo.toml: has no binary
  `,
  ),
];
