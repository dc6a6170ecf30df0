// What a project of Maven or Gradle is: its framework, the archive that its build leaves, and how that starts.
import type { Draft, Found } from './plan.ts';
import { baseOf, below, type Folder, table, text } from './project.ts';
import { firstOf, habit, noteNoLock, type Provider, portOfExample, said, withEvidence } from './provider.ts';
import { toolchainOf } from './runtimes.ts';
import { filesWith, scanHealth, scanLoopback, scanPort } from './scan.ts';
import { workspaceOf } from './workspaces.ts';

export const javaProvider: Provider = {
  name: 'java',
  marks: ['pom.xml', 'build.gradle', 'build.gradle.kts'],
  detect: detectJava,
};

const frameworks = [
  {
    name: 'spring-boot',
    sign: /spring-boot/,
    port: 8080,
    key: 'server.port',
    health: '/actuator/health',
    healthSign: /spring-boot-starter-actuator/,
  },
  {
    name: 'quarkus',
    sign: /io\.quarkus/,
    port: 8080,
    key: 'quarkus.http.port',
    health: '/q/health',
    healthSign: /smallrye-health/,
  },
  {
    name: 'micronaut',
    sign: /io\.micronaut/,
    port: 8080,
    key: 'micronaut.server.port',
    health: '/health',
    healthSign: /micronaut-management/,
  },
  { name: 'ktor', sign: /io\.ktor/, port: 8080, key: 'ktor.deployment.port', health: '', healthSign: /$^/ },
  { name: 'javalin', sign: /io\.javalin/, port: 7070, key: '', health: '', healthSign: /$^/ },
] as const;

function detectJava(folder: Folder): readonly Draft[] {
  const isMaven = folder.has('pom.xml');
  const mark = folder.first('pom.xml', 'build.gradle', 'build.gradle.kts') ?? 'pom.xml';
  if (isMaven && folder.xml('pom.xml') === undefined) return [];
  const content = folder.read(mark) ?? '';
  const workspace = workspaceOf(folder, isMaven ? 'maven' : 'gradle');
  const isMember = workspace !== undefined && workspace.root !== folder.path;
  const root = isMember ? folder.project.folder(workspace.root) : folder;
  const pom = table(folder.xml('pom.xml')?.['project']);
  const own = isMaven ? withoutManagement(content) : content;
  const framework = frameworks.find((each) => each.sign.test(own)) ?? undefined;
  const mains = filesWith(
    folder,
    'java',
    /\bstatic\s+(?:final\s+)?void\s+main\s*\(|^fun main\s*\(|@SpringBootApplication|@QuarkusMain/m,
  );
  const isParent = text(pom['packaging']) === 'pom' || (workspace !== undefined && !isMember && mains.length === 0);
  if (isParent) return [];
  const named = isMaven ? text(pom['artifactId']) : isMember ? undefined : gradleName(folder);
  const hasSources = folder.files().some((file) => /^src\/main\//.test(file));
  const deploys = mains.length > 0 || (framework?.name === 'quarkus' && hasSources);
  const isGradleLibrary =
    /java-library/.test(content) && !/\bapplication\b|org\.springframework\.boot['"]\)?\s+version/.test(content);
  const base = {
    named,
    path: folder.path,
    provider: 'java',
    language: mains.some(({ file }) => file.endsWith('.kt')) || /kotlin/.test(own) ? 'kotlin' : 'java',
    ...(framework ? { framework: framework.name } : {}),
  } as const;
  if (!deploys || isGradleLibrary) {
    return [
      {
        ...base,
        role: 'library',
        type: 'tool',
        confidence: 'medium',
        runtime: { name: 'java', wanted: undefined, from: undefined, packages: [], version: undefined },
        evidence: [folder.evidence(mark, 'has no main method')],
        install: [],
        build: [],
        collect: [],
        lockfiles: [],
      },
    ];
  }
  const toolchain = toolchainOf(folder, 'java');
  const from = isMember ? below(folder.path, workspace.root) : '.';
  const at = (path: string): string => (from === '.' ? path : `${from}/${path}`);
  const locks = isMaven ? ['lockfile.json'] : ['gradle.lockfile', 'gradle/verification-metadata.xml'];
  const lockfiles = locks
    .filter((lock) => root.has(lock))
    .map((lock) => ({ path: root.at(lock), kind: isMaven ? 'maven' : 'gradle' }));
  if (lockfiles.length === 0) noteUnlocked(root, isMaven);
  const wrapper = root.first('gradlew');
  if (!isMaven)
    root.note(
      root.first('build.gradle', 'build.gradle.kts') ?? 'settings.gradle',
      'Debian 12 has Gradle 4.4.1, and most builds need a later one',
      'name a base image with Gradle by its digest for the build step, or build with Maven',
    );
  const port = portOf(folder, framework);
  scanLoopback(folder, 'java');
  const managed = framework?.healthSign.test(own)
    ? said(folder, mark, framework.health, `depends on what answers ${framework.health}`)
    : undefined;
  const health = managed ?? scanHealth(folder, 'java');
  return [
    {
      ...base,
      role: 'application',
      type: port ? 'service' : 'worker',
      manager: isMaven ? 'maven' : 'gradle',
      confidence: framework ? 'high' : 'medium',
      runtime: toolchain.runtime,
      evidence: withEvidence(
        folder.evidence(mark, framework ? `uses ${framework.name}` : `a project of ${isMaven ? 'Maven' : 'Gradle'}`),
        mains[0] ? folder.evidence(mains[0].file, 'holds the main method') : undefined,
        toolchain.evidence,
        isMember ? { file: workspace.file, what: `${folder.path} is a module of it` } : undefined,
      ),
      install: [],
      build: [
        isMaven
          ? `mvn --batch-mode -DskipTests${isMember ? ` --projects ${from} --also-make` : ''} package`
          : `${wrapper ? './gradlew' : 'gradle'} --no-daemon ${isMember ? `:${from.replaceAll('/', ':')}:` : ''}${gradleTask(content, framework?.name)}`,
      ],
      collect: collectOf(isMaven, framework?.name, at),
      buildPackages: [...toolchain.build, 'grep', isMaven ? 'maven' : 'gradle'],
      start: habit(
        folder,
        mark,
        framework?.name === 'quarkus' ? 'java -jar quarkus-run.jar' : 'java -jar app.jar',
        'the archive that its build leaves',
      ),
      startIn: '',
      ...(port ? { port } : {}),
      ...(health ? { health } : {}),
      lockfiles,
      ...(isMember ? { workspace: { root: workspace.root, closure: workspace.closure(folder.path) } } : {}),
    },
  ];
}

function noteUnlocked(root: Folder, isMaven: boolean): void {
  const mend = isMaven
    ? 'write one: mvn io.github.chains-project:maven-lockfile:generate'
    : 'write one: gradle dependencies --write-locks, with dependencyLocking in the build';
  noteNoLock(
    root,
    root.first('pom.xml', 'build.gradle', 'build.gradle.kts', 'settings.gradle', 'settings.gradle.kts') ?? '.',
    mend,
  );
}

/** What a parent manages for others is none of its own. */
function withoutManagement(content: string): string {
  const start = content.indexOf('<dependencyManagement>');
  const end = content.indexOf('</dependencyManagement>');
  return start >= 0 && end > start ? content.slice(0, start) + content.slice(end) : content;
}

function gradleName(folder: Folder): string | undefined {
  const settings = folder.read('settings.gradle') ?? folder.read('settings.gradle.kts') ?? '';
  return /rootProject\.name\s*=\s*['"]([^'"\n]{1,80})['"]/.exec(settings)?.[1];
}

function gradleTask(content: string, framework: string | undefined): string {
  if (framework === 'spring-boot') return 'bootJar';
  if (framework === 'quarkus') return 'quarkusBuild';
  return /shadow/.test(content) ? 'shadowJar' : 'jar';
}

function collectOf(isMaven: boolean, framework: string | undefined, at: (path: string) => string): readonly string[] {
  if (framework === 'quarkus') return [`cp -a ${at(isMaven ? 'target' : 'build')}/quarkus-app/. /out/`];
  const folder = at(isMaven ? 'target' : 'build/libs');
  // The plain archive, those of sources and those before repackaging lie beside it.
  return [
    `cp "$(ls -S ${folder}/*.jar | grep -v -e '-sources' -e '-javadoc' -e '-plain' -e '/original-' | head -n 1)" /out/app.jar`,
  ];
}

function portOf(folder: Folder, framework: (typeof frameworks)[number] | undefined): Found<number> | undefined {
  for (const base of ['src/main/resources/application', 'application']) {
    const properties = folder.read(`${base}.properties`);
    if (framework?.key && properties !== undefined) {
      const line = properties.split('\n').find((each) => each.trim().startsWith(framework.key));
      const port = Number(/[=:]\s*(?:\$\{[^:}\n]{0,40}:)?(\d{2,5})/.exec(line ?? '')?.[1]);
      if (port > 0) return said(folder, `${base}.properties`, port, `${framework.key} is ${port}`);
    }
    for (const end of ['.yml', '.yaml']) {
      if (!framework?.key || folder.read(base + end) === undefined) continue;
      const value = framework.key.split('.').reduce<unknown>((part, key) => table(part)[key], folder.yaml(base + end));
      const port = Number(/^(?:\$\{[^:}]{0,40}:)?(\d{2,5})\}?$/.exec(text(value) ?? '')?.[1]);
      if (port > 0) return said(folder, base + end, port, `${framework.key} is ${port}`);
    }
  }
  const mark = folder.first('pom.xml', 'build.gradle', 'build.gradle.kts') ?? 'pom.xml';
  const isWeb =
    framework &&
    (framework.name !== 'spring-boot' || /starter-web|webflux|starter-jersey|actuator/.test(folder.read(mark) ?? ''));
  return firstOf(
    scanPort(folder, 'java'),
    portOfExample(folder),
    isWeb ? habit(folder, baseOf(mark), framework.port, `the port of ${framework.name}`) : undefined,
  );
}
