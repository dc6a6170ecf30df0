// Shapes of projects of Go, Rust, Java and .NET.
import { type Shape, shape } from './shape.ts';

const main = 'package main\n\nimport "net/http"\n\nfunc main() {\n\thttp.HandleFunc("/healthz", ok)\n\thttp.ListenAndServe(":8080", nil)\n}\n';
const pom = (rest: string): string => `<project><modelVersion>4.0.0</modelVersion>${rest}</project>`;
const java = 'public class App {\n  public static void main(String[] args) {}\n}\n';

export const compiledShapes: readonly Shape[] = [
  shape('go, one program', { 'go.mod': 'module example.com/echo\n\ngo 1.19\n', 'main.go': main }, `
    project echo
    echo . go service [high]
      version  1.19 <- go.mod: its go line says 1.19
      manager  go
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/echo .
      tools    golang-go
      start    ./echo [high] <- go.mod: builds echo
      port     8080 [medium] <- main.go: line 7 listens on 8080
      health   /healthz [medium] <- main.go: line 6 answers /healthz
  `),
  shape('go with gin and a later toolchain', {
    'go.mod': 'module github.com/acme/gateway/v2\n\ngo 1.22\n\ntoolchain go1.23.1\n\nrequire github.com/gin-gonic/gin v1.10.0\n', 'go.sum': '', 'main.go': 'package main\nfunc main() {\n\tr := gin.Default()\n\tr.GET("/ping", p)\n\tr.Run(":9090")\n}\n',
  }, `
    project v2
    gateway . go gin service [high]
      version  1.23.1 <- go.mod: its toolchain line says 1.23.1
      manager  go
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/gateway .
      start    ./gateway [high] <- go.mod: builds gateway
      port     9090 [medium] <- main.go: line 5 listens on 9090
      health   /ping [medium] <- main.go: line 4 answers /ping
      lock     go.sum (go)
    note go.mod: wants Go 1.23.1, and Debian 12 has 1.19.8; mend: lower the go line to 1.19, or name a base image with that toolchain by its digest for the build step
  `),
  shape('go with several programs in cmd', {
    'go.mod': 'module example.com/suite\n\ngo 1.18\n', 'cmd/api/main.go': main, 'cmd/worker/main.go': 'package main\nfunc main() { loop() }\n', 'internal/store/store.go': 'package store\n',
  }, `
    project suite
    api . go service [high]
      version  1.18 <- go.mod: its go line says 1.18
      manager  go
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/api ./cmd/api
      tools    golang-go
      start    ./api [high] <- go.mod: builds api
      port     8080 [medium] <- cmd/api/main.go: line 7 listens on 8080
      health   /healthz [medium] <- cmd/api/main.go: line 6 answers /healthz
    library . go <- .: is run by hand: not deployed
  `),
  shape('go with one program in cmd and its server inside', {
    'go.mod': 'module example.com/one\n\ngo 1.19\n\nrequire github.com/go-chi/chi/v5 v5.0.0\n', 'cmd/one/main.go': 'package main\nfunc main() { server.Run() }\n', 'internal/server/server.go': 'package server\nfunc Run() { srv := &http.Server{Addr: ":7070"}\n}\n',
  }, `
    project one
    one . go chi service [high]
      version  1.19 <- go.mod: its go line says 1.19
      manager  go
      build    CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags=-buildid= -o /out/one ./cmd/one
      tools    golang-go
      start    ./one [high] <- go.mod: builds one
      port     7070 [medium] <- internal/server/server.go: line 2 listens on 7070
    note go.mod: no lock file: another day brings other versions; mend: write one: go mod tidy
  `),
  shape('go, a library', { 'go.mod': 'module example.com/lib\n\ngo 1.19\n', 'lib.go': 'package lib\n' }, `
    project lib
    library . go <- go.mod: has no package main
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
  `),
  shape('go.work with two modules', {
    'go.work': 'go 1.19\n\nuse (\n\t./services/api\n\t./libs/log\n)\n', 'services/api/go.mod': 'module example.com/api\n\ngo 1.19\n\nrequire example.com/log v0.0.0\n', 'services/api/go.sum': '', 'services/api/main.go': main, 'libs/log/go.mod': 'module example.com/log\n', 'libs/log/log.go': 'package log\n',
  }, `
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
  `),
  shape('rust with axum', {
    'Cargo.toml': '[package]\nname = "ledger"\nversion = "0.1.0"\nrust-version = "1.63"\n[dependencies]\naxum = "0.5"\n', 'Cargo.lock': '', 'src/main.rs': 'let app = Router::new().route("/health", get(ok));\nlet listener = TcpListener::bind("0.0.0.0:3000");\n',
  }, `
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
  `),
  shape('rust with a pinned toolchain and no lock', {
    'Cargo.toml': '[package]\nname = "new-rust"\n[dependencies]\nactix-web = "4"\n', 'rust-toolchain.toml': '[toolchain]\nchannel = "1.80.0"\n', 'src/main.rs': 'HttpServer::new(app).bind(("127.0.0.1", 8081))?\n',
  }, `
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
  `),
  shape('rust with rocket', { 'Cargo.toml': '[package]\nname = "rocketeer"\n[dependencies]\nrocket = "0.5"\n', 'Cargo.lock': '', 'Rocket.toml': '[release]\nport = 8500\n', 'src/main.rs': '#[get("/health")]\nfn h() {}\n' }, `
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
  `),
  shape('rust, a library', { 'Cargo.toml': '[package]\nname = "parse"\n', 'src/lib.rs': '' }, `
    project parse
    library . rust <- Cargo.toml: has no binary
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
  `),
  shape('rust with several binaries', { 'Cargo.toml': '[package]\nname = "multi"\ndefault-run = "server"\n', 'Cargo.lock': '', 'src/bin/server.rs': 'TcpListener::bind("0.0.0.0:6000")', 'src/bin/import.rs': 'fn main() {}', 'src/lib.rs': '' }, `
    project multi
    import . rust service [high]
      runtime  libgcc-s1 1.63.0
      manager  cargo
      build    cargo build --release --locked --package multi --bin import --target-dir /tmp/target
      build    cp /tmp/target/release/import /out/import
      tools    cargo rustc
      start    ./import [high] <- Cargo.toml: builds import
      port     6000 [medium] <- src/bin/server.rs: line 1 listens on 6000
      lock     Cargo.lock (cargo)
    server . rust service [high]
      runtime  libgcc-s1 1.63.0
      manager  cargo
      build    cargo build --release --locked --package multi --bin server --target-dir /tmp/target
      build    cp /tmp/target/release/server /out/server
      tools    cargo rustc
      start    ./server [high] <- Cargo.toml: builds server
      port     6000 [medium] <- src/bin/server.rs: line 1 listens on 6000
      lock     Cargo.lock (cargo)
  `),
  shape('a workspace of Cargo', {
    'Cargo.toml': '[workspace]\nmembers = ["crates/*"]\n', 'Cargo.lock': '', 'rust-toolchain': '1.63.0\n', 'crates/web/Cargo.toml': '[package]\nname = "web"\n[dependencies]\ncore = { path = "../core" }\nwarp = "0.3"\n', 'crates/web/src/main.rs': 'warp::serve(routes).run(([0, 0, 0, 0], 3030)).await;\n', 'crates/core/Cargo.toml': '[package]\nname = "core"\n', 'crates/core/src/lib.rs': '',
  }, `
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
  `),
  shape('maven with spring boot and actuator', {
    'pom.xml': pom('<artifactId>orders</artifactId><properties><java.version>17</java.version></properties><dependencies><dependency><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-web</artifactId></dependency><dependency><artifactId>spring-boot-starter-actuator</artifactId></dependency></dependencies>'),
    'src/main/java/App.java': `@SpringBootApplication\n${java}`, 'src/main/resources/application.properties': 'spring.application.name=orders\nserver.port=${PORT:9090}\n',
  }, `
    project orders
    orders . java spring-boot service [high]
      version  17 <- pom.xml: java.version says 17
      runtime  openjdk-17-jre-headless 17.0.13
      manager  maven
      build    mvn --batch-mode -DskipTests package
      collect  cp "$(ls -S target/*.jar | grep -v -e '-sources' -e '-javadoc' -e '-plain' -e '/original-' | head -n 1)" /out/app.jar
      tools    default-jdk-headless maven
      start    java -jar app.jar [low] <- pom.xml: the archive that its build leaves
      port     9090 [high] <- src/main/resources/application.properties: server.port is 9090
      health   /actuator/health [high] <- pom.xml: depends on what answers /actuator/health
  `),
  shape('maven with spring boot for a Java that Debian 12 does not have', {
    'pom.xml': pom('<artifactId>fresh</artifactId><properties><maven.compiler.release>21</maven.compiler.release></properties><dependencies><dependency><artifactId>spring-boot-starter-webflux</artifactId></dependency></dependencies>'),
    'src/main/java/App.java': java, 'src/main/resources/application.yml': 'server:\n  port: 8085\n',
  }, `
    project fresh
    fresh . java spring-boot service [high]
      version  21 <- pom.xml: maven.compiler.release says 21
      manager  maven
      build    mvn --batch-mode -DskipTests package
      collect  cp "$(ls -S target/*.jar | grep -v -e '-sources' -e '-javadoc' -e '-plain' -e '/original-' | head -n 1)" /out/app.jar
      tools    maven
      start    java -jar app.jar [low] <- pom.xml: the archive that its build leaves
      port     8085 [high] <- src/main/resources/application.yml: server.port is 8085
    note pom.xml: wants Java 21, and Debian 12 has 17.0.13; mend: build for Java 17, or name a base image with that version by its digest
  `),
  shape('maven with quarkus', {
    'pom.xml': pom('<artifactId>greeter</artifactId><dependencies><dependency><groupId>io.quarkus</groupId><artifactId>quarkus-rest</artifactId></dependency><dependency><artifactId>quarkus-smallrye-health</artifactId></dependency></dependencies>'),
    'src/main/java/Greeting.java': '@Path("/hello") class Greeting {}',
  }, `
    project greeter
    greeter . java quarkus service [high]
      runtime  openjdk-17-jre-headless 17.0.13
      manager  maven
      build    mvn --batch-mode -DskipTests package
      collect  cp -a target/quarkus-app/. /out/
      tools    default-jdk-headless maven
      start    java -jar quarkus-run.jar [low] <- pom.xml: the archive that its build leaves
      port     8080 [low] <- pom.xml: the port of quarkus
      health   /q/health [high] <- pom.xml: depends on what answers /q/health
  `),
  shape('maven with modules', {
    'pom.xml': pom('<artifactId>bank</artifactId><packaging>pom</packaging><modules><module>api</module><module>model</module></modules>'),
    'api/pom.xml': pom('<artifactId>bank-api</artifactId><dependencies><dependency><artifactId>model</artifactId></dependency><dependency><artifactId>spring-boot-starter-web</artifactId></dependency></dependencies>'), 'api/src/main/java/Api.java': java,
    'model/pom.xml': pom('<artifactId>model</artifactId>'), 'model/src/main/java/M.java': 'class M {}', '.java-version': '17\n',
  }, `
    project bank
    bank-api api java spring-boot service [high]
      version  17 <- .java-version: its line says 17
      runtime  openjdk-17-jre-headless 17.0.13
      manager  maven
      root     ., starts in .
      build    mvn --batch-mode -DskipTests --projects api --also-make package
      collect  cp "$(ls -S api/target/*.jar | grep -v -e '-sources' -e '-javadoc' -e '-plain' -e '/original-' | head -n 1)" /out/app.jar
      tools    default-jdk-headless maven
      start    java -jar app.jar [low] <- api/pom.xml: the archive that its build leaves
      port     8080 [low] <- api/pom.xml: the port of spring-boot
    library model java <- model/pom.xml: has no main method
  `),
  shape('gradle with spring boot', {
    'build.gradle': "plugins { id 'org.springframework.boot' version '3.3.0' }\njava { toolchain { languageVersion = JavaLanguageVersion.of(17) } }\ndependencies { implementation 'org.springframework.boot:spring-boot-starter-web' }\n",
    'settings.gradle': "rootProject.name = 'catalog'\n", gradlew: '', 'src/main/java/App.java': java,
  }, `
    project catalog
    catalog . java spring-boot service [high]
      version  17 <- build.gradle: its Java version says 17
      runtime  openjdk-17-jre-headless 17.0.13
      manager  gradle
      build    ./gradlew --no-daemon bootJar
      collect  cp "$(ls -S build/libs/*.jar | grep -v -e '-sources' -e '-javadoc' -e '-plain' -e '/original-' | head -n 1)" /out/app.jar
      tools    default-jdk-headless gradle
      start    java -jar app.jar [low] <- build.gradle: the archive that its build leaves
      port     8080 [low] <- build.gradle: the port of spring-boot
    note build.gradle: Debian 12 has Gradle 4.4.1, and most builds need a later one; mend: name a base image with Gradle by its digest for the build step, or build with Maven
    note build.gradle: no lock file: another day brings other versions; mend: write one: gradle dependencies --write-locks, with dependencyLocking in the build
  `),
  shape('gradle in Kotlin with ktor and several projects', {
    'settings.gradle.kts': 'rootProject.name = "chat"\ninclude(":server", ":shared")\n', 'build.gradle.kts': '', 'server/build.gradle.kts': 'plugins { kotlin("jvm"); id("com.gradleup.shadow") }\ndependencies { implementation("io.ktor:ktor-server-netty:2.3"); implementation(project(":shared")) }\n', 'server/src/main/kotlin/Main.kt': 'fun main() { embeddedServer(Netty, port = 8099) }\n', 'shared/build.gradle.kts': 'plugins { kotlin("jvm") }\n', 'shared/src/main/kotlin/S.kt': '',
  }, `
    project chat
    server server java kotlin ktor service [high]
      runtime  openjdk-17-jre-headless 17.0.13
      manager  gradle
      root     ., starts in .
      build    gradle --no-daemon :server:shadowJar
      collect  cp "$(ls -S server/build/libs/*.jar | grep -v -e '-sources' -e '-javadoc' -e '-plain' -e '/original-' | head -n 1)" /out/app.jar
      tools    default-jdk-headless gradle
      start    java -jar app.jar [low] <- server/build.gradle.kts: the archive that its build leaves
      port     8099 [medium] <- server/src/main/kotlin/Main.kt: line 1 listens on 8099
    library shared java <- shared/build.gradle.kts: has no main method
    note build.gradle.kts: Debian 12 has Gradle 4.4.1, and most builds need a later one; mend: name a base image with Gradle by its digest for the build step, or build with Maven
    note build.gradle.kts: no lock file: another day brings other versions; mend: write one: gradle dependencies --write-locks, with dependencyLocking in the build
  `),
  shape('pom.xml that is no XML', { 'pom.xml': '<project><artifactId>', 'src/main/java/App.java': java }, `
    project app
    note .: no file names the project: it is called "app"; mend: change project.name
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
    note pom.xml: is not XML: it decides nothing; mend: mend it: Invalid '[    "project",    "artifactId"]' found.:1:1
  `),
  shape('asp.net', {
    'Web.csproj': '<Project Sdk="Microsoft.NET.Sdk.Web"><PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup><ItemGroup><PackageReference Include="Serilog" Version="4" /></ItemGroup></Project>', 'Program.cs': 'app.MapHealthChecks("/healthz");\napp.Run();\n',
  }, `
    project web
    web . dotnet csharp aspnet service [high]
      version  8.0 <- Web.csproj: TargetFramework says 8.0
      manager  nuget
      install  dotnet restore Web.csproj
      build    dotnet publish --no-restore --configuration Release --output /out Web.csproj
      start    dotnet Web.dll [high] <- Web.csproj: the assembly that its build leaves
      port     8080 [low] <- Web.csproj: the port of ASP.NET
      health   /healthz [high] <- Program.cs: maps its health checks
    note Web.csproj: .NET can't be had as a Debian package; mend: name a base image with .NET by its digest: Debian 12 has none
    note Web.csproj: no lock file: another day brings other versions; mend: write one: dotnet restore --use-lock-file
  `),
  shape('a solution of .NET with a library and tests', {
    'Shop.sln': '', 'global.json': { sdk: { version: '8.0.100' } },
    'src/Shop.Api/Shop.Api.csproj': '<Project Sdk="Microsoft.NET.Sdk.Web"><PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup></Project>', 'src/Shop.Api/Program.cs': 'builder.WebHost.UseUrls("http://*:5005");\n', 'src/Shop.Api/packages.lock.json': '{}',
    'src/Shop.Core/Shop.Core.csproj': '<Project Sdk="Microsoft.NET.Sdk"></Project>', 'src/Shop.Worker/Shop.Worker.fsproj': '<Project Sdk="Microsoft.NET.Sdk.Worker"></Project>', 'tests/Shop.Tests/Shop.Tests.csproj': '<Project Sdk="Microsoft.NET.Sdk"></Project>',
  }, `
    project shop
    shop-api src/Shop.Api dotnet csharp aspnet service [high]
      version  8.0.100 <- global.json: sdk.version says 8.0.100
      manager  nuget
      install  dotnet restore --locked-mode Shop.Api.csproj
      build    dotnet publish --no-restore --configuration Release --output /out Shop.Api.csproj
      start    dotnet Shop.Api.dll [high] <- src/Shop.Api/Shop.Api.csproj: the assembly that its build leaves
      port     5005 [medium] <- src/Shop.Api/Program.cs: line 1 listens on 5005
      lock     src/Shop.Api/packages.lock.json (nuget)
    shop-worker src/Shop.Worker dotnet fsharp worker [high]
      version  8.0.100 <- global.json: sdk.version says 8.0.100
      manager  nuget
      install  dotnet restore Shop.Worker.fsproj
      build    dotnet publish --no-restore --configuration Release --output /out Shop.Worker.fsproj
      start    dotnet Shop.Worker.dll [high] <- src/Shop.Worker/Shop.Worker.fsproj: the assembly that its build leaves
    library src/Shop.Core dotnet <- src/Shop.Core/Shop.Core.csproj: makes a library
    note global.json: .NET can't be had as a Debian package; mend: name a base image with .NET by its digest: Debian 12 has none
    note src/Shop.Worker/Shop.Worker.fsproj: no port was found: it is taken for a worker that doesn't listen; mend: add "ports" to its container if it does
    note tests/Shop.Tests: is taken for tests or examples and not deployed: tests/Shop.Tests; mend: add an application by hand where that is wrong
  `),
  shape('a program of .NET for the console', { 'tool.csproj': '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType><AssemblyName>acme-tool</AssemblyName></PropertyGroup></Project>' }, `
    project tool
    tool . dotnet csharp tool [high]
      manager  nuget
      install  dotnet restore tool.csproj
      build    dotnet publish --no-restore --configuration Release --output /out tool.csproj
      start    dotnet acme-tool.dll [high] <- tool.csproj: the assembly that its build leaves
    note .: .NET can't be had as a Debian package; mend: name a base image with .NET by its digest: Debian 12 has none
  `),
];
