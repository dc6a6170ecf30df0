// Shapes of projects of Java and .NET.
import { type Shape, shape } from './shape.ts';

const pom = (rest: string): string => `<project><modelVersion>4.0.0</modelVersion>${rest}</project>`;
const java = 'public class App {\n  public static void main(String[] args) {}\n}\n';

export const managedShapes: readonly Shape[] = [
  shape(
    'maven with spring boot and actuator',
    {
      'pom.xml': pom(
        '<artifactId>orders</artifactId><properties><java.version>17</java.version></properties><dependencies><dependency><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-web</artifactId></dependency><dependency><artifactId>spring-boot-starter-actuator</artifactId></dependency></dependencies>',
      ),
      'src/main/java/App.java': `@SpringBootApplication\n${java}`,
      'src/main/resources/application.properties': [
        'spring.application.name=orders\nserver.port=$',
        '{PORT:9090}\n',
      ].join(''),
    },
    `
    project orders
    orders . java spring-boot service [high]
      version  17 <- pom.xml: java.version says 17
      runtime  openjdk-17-jre-headless 17.0.13
      manager  maven
      build    mvn --batch-mode -DskipTests package
      collect  cp "$(ls -S target/*.jar | grep -v -e '-sources' -e '-javadoc' -e '-plain' -e '/original-' | head -n 1)" /out/app.jar
      tools    default-jdk-headless grep maven
      start    java -jar app.jar [low] <- pom.xml: the archive that its build leaves
      port     9090 [high] <- src/main/resources/application.properties: server.port is 9090
      health   /actuator/health [high] <- pom.xml: depends on what answers /actuator/health
    note pom.xml: no lock file: another day brings other versions; mend: write one: mvn io.github.chains-project:maven-lockfile:generate
  `,
  ),
  shape(
    'maven with spring boot for a Java that Debian 12 does not have',
    {
      'pom.xml': pom(
        '<artifactId>fresh</artifactId><properties><maven.compiler.release>21</maven.compiler.release></properties><dependencies><dependency><artifactId>spring-boot-starter-webflux</artifactId></dependency></dependencies>',
      ),
      'src/main/java/App.java': java,
      'src/main/resources/application.yml': 'server:\n  port: 8085\n',
    },
    `
    project fresh
    fresh . java spring-boot service [high]
      version  21 <- pom.xml: maven.compiler.release says 21
      manager  maven
      build    mvn --batch-mode -DskipTests package
      collect  cp "$(ls -S target/*.jar | grep -v -e '-sources' -e '-javadoc' -e '-plain' -e '/original-' | head -n 1)" /out/app.jar
      tools    grep maven
      start    java -jar app.jar [low] <- pom.xml: the archive that its build leaves
      port     8085 [high] <- src/main/resources/application.yml: server.port is 8085
    note pom.xml: no lock file: another day brings other versions; mend: write one: mvn io.github.chains-project:maven-lockfile:generate
    note pom.xml: wants Java 21, and Debian 12 has 17.0.13; mend: build for Java 17, or name a base image with that version by its digest
  `,
  ),
  shape(
    'maven with quarkus',
    {
      'pom.xml': pom(
        '<artifactId>greeter</artifactId><dependencies><dependency><groupId>io.quarkus</groupId><artifactId>quarkus-rest</artifactId></dependency><dependency><artifactId>quarkus-smallrye-health</artifactId></dependency></dependencies>',
      ),
      'src/main/java/Greeting.java': '@Path("/hello") class Greeting {}',
    },
    `
    project greeter
    greeter . java quarkus service [high]
      runtime  openjdk-17-jre-headless 17.0.13
      manager  maven
      build    mvn --batch-mode -DskipTests package
      collect  cp -a target/quarkus-app/. /out/
      tools    default-jdk-headless grep maven
      start    java -jar quarkus-run.jar [low] <- pom.xml: the archive that its build leaves
      port     8080 [low] <- pom.xml: the port of quarkus
      health   /q/health [high] <- pom.xml: depends on what answers /q/health
    note pom.xml: no lock file: another day brings other versions; mend: write one: mvn io.github.chains-project:maven-lockfile:generate
  `,
  ),
  shape(
    'maven with modules',
    {
      'pom.xml': pom(
        '<artifactId>bank</artifactId><packaging>pom</packaging><modules><module>api</module><module>model</module></modules>',
      ),
      'api/pom.xml': pom(
        '<artifactId>bank-api</artifactId><dependencies><dependency><artifactId>model</artifactId></dependency><dependency><artifactId>spring-boot-starter-web</artifactId></dependency></dependencies>',
      ),
      'api/src/main/java/Api.java': java,
      'model/pom.xml': pom('<artifactId>model</artifactId>'),
      'model/src/main/java/M.java': 'class M {}',
      '.java-version': '17\n',
    },
    `
    project bank
    bank-api api java spring-boot service [high]
      version  17 <- .java-version: its line says 17
      runtime  openjdk-17-jre-headless 17.0.13
      manager  maven
      root     ., starts in .
      build    mvn --batch-mode -DskipTests --projects api --also-make package
      collect  cp "$(ls -S api/target/*.jar | grep -v -e '-sources' -e '-javadoc' -e '-plain' -e '/original-' | head -n 1)" /out/app.jar
      tools    default-jdk-headless grep maven
      start    java -jar app.jar [low] <- api/pom.xml: the archive that its build leaves
      port     8080 [low] <- api/pom.xml: the port of spring-boot
    library model java <- model/pom.xml: has no main method
    note pom.xml: no lock file: another day brings other versions; mend: write one: mvn io.github.chains-project:maven-lockfile:generate
  `,
  ),
  shape(
    'gradle with spring boot',
    {
      'build.gradle':
        "plugins { id 'org.springframework.boot' version '3.3.0' }\njava { toolchain { languageVersion = JavaLanguageVersion.of(17) } }\ndependencies { implementation 'org.springframework.boot:spring-boot-starter-web' }\n",
      'settings.gradle': "rootProject.name = 'catalog'\n",
      gradlew: '',
      'src/main/java/App.java': java,
    },
    `
    project catalog
    catalog . java spring-boot service [high]
      version  17 <- build.gradle: its Java version says 17
      runtime  openjdk-17-jre-headless 17.0.13
      manager  gradle
      build    ./gradlew --no-daemon bootJar
      collect  cp "$(ls -S build/libs/*.jar | grep -v -e '-sources' -e '-javadoc' -e '-plain' -e '/original-' | head -n 1)" /out/app.jar
      tools    default-jdk-headless grep gradle
      start    java -jar app.jar [low] <- build.gradle: the archive that its build leaves
      port     8080 [low] <- build.gradle: the port of spring-boot
    note build.gradle: Debian 12 has Gradle 4.4.1, and most builds need a later one; mend: name a base image with Gradle by its digest for the build step, or build with Maven
    note build.gradle: no lock file: another day brings other versions; mend: write one: gradle dependencies --write-locks, with dependencyLocking in the build
  `,
  ),
  shape(
    'gradle in Kotlin with ktor and several projects',
    {
      'settings.gradle.kts': 'rootProject.name = "chat"\ninclude(":server", ":shared")\n',
      'build.gradle.kts': '',
      'server/build.gradle.kts':
        'plugins { kotlin("jvm"); id("com.gradleup.shadow") }\ndependencies { implementation("io.ktor:ktor-server-netty:2.3"); implementation(project(":shared")) }\n',
      'server/src/main/kotlin/Main.kt': 'fun main() { embeddedServer(Netty, port = 8099) }\n',
      'shared/build.gradle.kts': 'plugins { kotlin("jvm") }\n',
      'shared/src/main/kotlin/S.kt': '',
    },
    `
    project chat
    server server java kotlin ktor service [high]
      runtime  openjdk-17-jre-headless 17.0.13
      manager  gradle
      root     ., starts in .
      build    gradle --no-daemon :server:shadowJar
      collect  cp "$(ls -S server/build/libs/*.jar | grep -v -e '-sources' -e '-javadoc' -e '-plain' -e '/original-' | head -n 1)" /out/app.jar
      tools    default-jdk-headless grep gradle
      start    java -jar app.jar [low] <- server/build.gradle.kts: the archive that its build leaves
      port     8099 [medium] <- server/src/main/kotlin/Main.kt: line 1 listens on 8099
    library shared java <- shared/build.gradle.kts: has no main method
    note build.gradle.kts: Debian 12 has Gradle 4.4.1, and most builds need a later one; mend: name a base image with Gradle by its digest for the build step, or build with Maven
    note build.gradle.kts: no lock file: another day brings other versions; mend: write one: gradle dependencies --write-locks, with dependencyLocking in the build
  `,
  ),
  shape(
    'pom.xml that is no XML',
    { 'pom.xml': '<project><artifactId>', 'src/main/java/App.java': java },
    `
    project app
    note .: no file names the project: it is called "app"; mend: change project.name
    note .: nothing to deploy was found; mend: add a start script, a Procfile or a Dockerfile
    note pom.xml: is not XML: it decides nothing; mend: mend it: Invalid '[    "project",    "artifactId"]' found.:1:1
  `,
  ),
  shape(
    'asp.net',
    {
      'Web.csproj':
        '<Project Sdk="Microsoft.NET.Sdk.Web"><PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup><ItemGroup><PackageReference Include="Serilog" Version="4" /></ItemGroup></Project>',
      'Program.cs': 'app.MapHealthChecks("/healthz");\napp.Run();\n',
    },
    `
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
  `,
  ),
  shape(
    'a solution of .NET with a library and tests',
    {
      'Shop.sln': '',
      'global.json': { sdk: { version: '8.0.100' } },
      'src/Shop.Api/Shop.Api.csproj':
        '<Project Sdk="Microsoft.NET.Sdk.Web"><PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup></Project>',
      'src/Shop.Api/Program.cs': 'builder.WebHost.UseUrls("http://*:5005");\n',
      'src/Shop.Api/packages.lock.json': '{}',
      'src/Shop.Core/Shop.Core.csproj': '<Project Sdk="Microsoft.NET.Sdk"></Project>',
      'src/Shop.Worker/Shop.Worker.fsproj': '<Project Sdk="Microsoft.NET.Sdk.Worker"></Project>',
      'tests/Shop.Tests/Shop.Tests.csproj': '<Project Sdk="Microsoft.NET.Sdk"></Project>',
    },
    `
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
  `,
  ),
  shape(
    'a program of .NET for the console',
    {
      'tool.csproj':
        '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType><AssemblyName>acme-tool</AssemblyName></PropertyGroup></Project>',
    },
    `
    project tool
    tool . dotnet csharp tool [high]
      manager  nuget
      install  dotnet restore tool.csproj
      build    dotnet publish --no-restore --configuration Release --output /out tool.csproj
      start    dotnet acme-tool.dll [high] <- tool.csproj: the assembly that its build leaves
    note .: .NET can't be had as a Debian package; mend: name a base image with .NET by its digest: Debian 12 has none
  `,
  ),
];
