// What a project of .NET is: a service of ASP.NET, a worker, a program, or a library.
import type { Draft, Found } from './plan.ts';
import { type Folder, table, tables, text } from './project.ts';
import { firstOf, habit, noteNoLock, type Provider, portOfExample, said, withEvidence } from './provider.ts';
import { toolchainOf } from './runtimes.ts';
import { filesWith, scanHealth, scanPort } from './scan.ts';

export const dotnetProvider: Provider = {
  name: 'dotnet',
  marks: ['*.csproj', '*.fsproj', '*.vbproj'],
  detect: (folder) =>
    folder.names.filter((name) => /\.(?:cs|fs|vb)proj$/.test(name)).flatMap((name) => draftOf(folder, name)),
};

/** Since ASP.NET 8; before, it was 80 in containers. */
const defaultPort = 8080;

function draftOf(folder: Folder, file: string): readonly Draft[] {
  const project = table(folder.xml(file)?.['Project']);
  if (Object.keys(project).length === 0) return [];
  const sdk = text(project['@Sdk']) ?? '';
  const properties = tables(project['PropertyGroup']);
  const property = (name: string): string | undefined =>
    properties.map((each) => text(each[name])).find((each) => each !== undefined);
  const name = file.replace(/\.\w+proj$/, '');
  const packages = tables(project['ItemGroup']).flatMap((group) =>
    tables(group['PackageReference']).map((each) => text(each['@Include']) ?? ''),
  );
  const isTest =
    packages.some((each) => /^(?:Microsoft\.NET\.Test\.Sdk|xunit|NUnit|MSTest)/.test(each)) ||
    property('IsTestProject') === 'true';
  const isWeb = /Sdk\.(?:Web|BlazorWebAssembly)/.test(sdk);
  const isWorker = /Sdk\.Worker/.test(sdk);
  const isProgram = isWeb || isWorker || /exe/i.test(property('OutputType') ?? '');
  const base = {
    named: name,
    path: folder.path,
    provider: 'dotnet',
    language: file.endsWith('.fsproj') ? 'fsharp' : file.endsWith('.vbproj') ? 'visual-basic' : 'csharp',
    ...(isWeb ? { framework: 'aspnet' } : {}),
  } as const;
  if (!isProgram || isTest) {
    return [
      {
        ...base,
        role: 'library',
        type: 'tool',
        confidence: 'high',
        runtime: { name: 'dotnet', wanted: undefined, from: undefined, packages: [], version: undefined },
        evidence: [folder.evidence(file, isTest ? 'a project of tests' : 'makes a library')],
        install: [],
        build: [],
        collect: [],
        lockfiles: [],
      },
    ];
  }
  const toolchain = toolchainOf(folder, 'dotnet');
  const isLocked = folder.has('packages.lock.json');
  if (packages.length > 0 && !isLocked) noteNoLock(folder, file, 'write one: dotnet restore --use-lock-file');
  const port = isWeb
    ? firstOf(
        scanPort(folder, 'dotnet'),
        settingsPort(folder),
        portOfExample(folder),
        habit(folder, file, defaultPort, 'the port of ASP.NET'),
      )
    : undefined;
  const mapped = filesWith(folder, 'dotnet', /MapHealthChecks\(\s*"(\/[\w/-]{1,60})"/)[0];
  const health = mapped
    ? said(folder, mapped.file, mapped.match[1] ?? '/health', 'maps its health checks')
    : scanHealth(folder, 'dotnet');
  return [
    {
      ...base,
      role: 'application',
      type: port ? 'service' : isWorker ? 'worker' : 'tool',
      manager: 'nuget',
      confidence: 'high',
      runtime: toolchain.runtime,
      evidence: withEvidence(
        folder.evidence(file, isProgram && sdk ? `uses ${sdk}` : 'makes a program'),
        toolchain.evidence,
      ),
      install: [`dotnet restore${isLocked ? ' --locked-mode' : ''} ${file}`],
      build: [`dotnet publish --no-restore --configuration Release --output /out ${file}`],
      collect: [],
      buildPackages: toolchain.build,
      start: said(folder, file, `dotnet ${property('AssemblyName') ?? name}.dll`, 'the assembly that its build leaves'),
      startIn: '',
      ...(port ? { port } : {}),
      ...(health ? { health } : {}),
      environment: { DOTNET_CLI_TELEMETRY_OPTOUT: '1', ...(port ? { ASPNETCORE_HTTP_PORTS: String(port.value) } : {}) },
      lockfiles: isLocked ? [{ path: folder.at('packages.lock.json'), kind: 'nuget' }] : [],
    },
  ];
}

function settingsPort(folder: Folder): Found<number> | undefined {
  const port = Number(
    /"(?:Url|Urls|urls)"\s*:\s*"https?:\/\/[^"\n:]{1,60}:(\d{2,5})/.exec(folder.read('appsettings.json') ?? '')?.[1],
  );
  return port > 0 ? said(folder, 'appsettings.json', port, `its address has port ${port}`) : undefined;
}
