// What is found in a project: applications, how each is built and started, and the evidence for every choice.

/** A file and what in it decided. */
export interface Evidence {
  readonly file: string;
  readonly what: string;
}

/** `high`: a file says so. `medium`: code or an example says so. `low`: only a habit of the framework. */
export type Confidence = 'high' | 'medium' | 'low';

/** A value with what decided it. */
export interface Found<Value> {
  readonly value: Value;
  readonly from: Evidence;
  readonly confidence: Confidence;
}

/** What a person should know before relying on the plan, and the way to mend it. */
export interface Note {
  readonly file: string;
  readonly message: string;
  readonly mend?: string;
}

export const providerNames = [
  'node',
  'python',
  'go',
  'rust',
  'java',
  'php',
  'ruby',
  'dotnet',
  'deno',
  'elixir',
  'static',
  'dockerfile',
  'procfile',
] as const;
export type ProviderName = (typeof providerNames)[number];

/** `service` listens, `worker` runs without listening, `static` is files for a web server, `tool` is run by hand. */
export type ApplicationType = 'service' | 'worker' | 'static' | 'tool';

export interface Lockfile {
  readonly path: string;
  readonly kind: string;
}

/** A language's runtime: the version that is wanted, and where it comes from. */
export interface Runtime {
  readonly name: string;
  /** As the deciding file writes it; undefined where no file names one. */
  readonly wanted: string | undefined;
  readonly from: string | undefined;
  /** Debian packages that carry it, empty where Debian has no version that fits. */
  readonly packages: readonly string[];
  /** The version that those packages, or the npm package, hold. */
  readonly version: string | undefined;
  /** The exact version of Node that npm's package of the program is to have. */
  readonly node?: string;
}

/** A process of an application, as a Procfile names them. */
export interface PlannedProcess {
  readonly name: string;
  readonly command: string;
}

export interface PlannedApplication {
  /** Unique in the plan; a DNS label of at most 40 characters. */
  readonly name: string;
  /** The folder below the project's root, or ".". */
  readonly path: string;
  readonly provider: ProviderName;
  readonly language: string;
  readonly type: ApplicationType;
  readonly framework?: string;
  readonly manager?: string;
  readonly confidence: Confidence;
  readonly runtime: Runtime;
  readonly evidence: readonly Evidence[];
  /** The folder that holds all that the build reads: the workspace's root, else `path`. */
  readonly root: string;
  /** Folders of the source closure below `root`, empty where it is all of it. */
  readonly closure: readonly string[];
  readonly install: readonly string[];
  readonly build: readonly string[];
  /** Lines that put the result into /out, the working folder being `root` in a writable copy. */
  readonly collect: readonly string[];
  /** Debian packages that only building needs, and those that running needs beside the runtime. */
  readonly buildPackages: readonly string[];
  readonly runPackages: readonly string[];
  /** Undefined where none was found; a note says so. */
  readonly start?: Found<string>;
  /** Where below the application's destination it starts. */
  readonly startIn: string;
  readonly processes: readonly PlannedProcess[];
  readonly port?: Found<number>;
  readonly health?: Found<string>;
  readonly environment: Readonly<Record<string, string>>;
  /** Numeric "uid:gid" where a Dockerfile says so. */
  readonly user?: string;
  readonly lockfiles: readonly Lockfile[];
  /** The image that an existing Dockerfile starts from. */
  readonly image?: string;
}

/** All that matched, also what isn't deployed. */
export interface Match {
  readonly path: string;
  readonly provider: ProviderName;
  readonly role: 'application' | 'library' | 'assets' | 'overlay';
  readonly confidence: Confidence;
  readonly evidence: readonly Evidence[];
}

export interface Plan {
  readonly project: string;
  readonly applications: readonly PlannedApplication[];
  readonly matches: readonly Match[];
  readonly notes: readonly Note[];
  /** Patterns of what no source holds: from .gitignore, and what each language leaves behind. */
  readonly exclude: readonly string[];
}

/** What one provider finds in one folder, before names, workspaces and overlays are settled. */
export interface Draft
  extends Omit<
    PlannedApplication,
    'name' | 'root' | 'closure' | 'processes' | 'environment' | 'startIn' | 'runPackages' | 'buildPackages' | 'port'
  > {
  /** The name that the project gives it, if any. */
  readonly named: string | undefined;
  readonly role: 'application' | 'library';
  readonly port?: Found<number>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly buildPackages?: readonly string[];
  readonly runPackages?: readonly string[];
  /** Where the build's result starts when that isn't the application's own folder: "" is the destination itself. */
  readonly startIn?: string;
  /** What the runtime installs is one for a whole workspace, at this root. */
  readonly workspace?: { readonly root: string; readonly closure: readonly string[] };
}
