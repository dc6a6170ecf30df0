// `hermesh manifest …`: what can be said of a manifest without a daemon.

import path from 'node:path';
import type { Command } from 'commander';
import { homeOf, loginFiles } from '../config.ts';
import { writeWhole } from '../write-whole.ts';
import type { CommonOptions } from './operation-commands.ts';
import { openOutput } from './output.ts';
import { addProjectCommands } from './project.ts';

interface LockOptions {
  readonly refresh?: boolean;
  readonly mirror?: readonly string[];
  readonly keyring?: string;
}

export function addManifest(program: Command, signal: AbortSignal): void {
  const manifest = program
    .command('manifest')
    .description('Makes, checks, locks and describes manifests. No daemon is needed.');
  const output = () => {
    const { json = false, quiet = false } = program.opts<CommonOptions>();
    return openOutput({ json, quiet });
  };

  addProjectCommands(manifest, output, signal);

  manifest
    .command('check')
    .argument('<file>', 'the manifest')
    .description('Says whether a manifest is right, and every place where it is not, with the mend.')
    .addHelpText('after', '\nExample:\n  hermesh manifest check examples/shop/manifest.json')
    .action(async (file: string) => {
      const { loadManifest } = await import('#daemon/deploy');
      const loaded = await loadManifest(path.resolve(file));
      const containers = Object.keys(loaded.manifest.containers);
      output().result(
        { manifestDigest: loaded.digest, containers },
        () => `${file} is right: ${containers.join(', ')}`,
      );
    });

  manifest
    .command('digest')
    .argument('<file>', 'the manifest')
    .description('Prints the digest of a manifest: SHA-256 of its canonical JSON, defaults written out.')
    .addHelpText('after', '\nExample:\n  hermesh manifest digest examples/shop/manifest.json')
    .action(async (file: string) => {
      const { loadManifest } = await import('#daemon/deploy');
      const { digest } = await loadManifest(path.resolve(file));
      output().result({ manifestDigest: digest }, () => digest);
    });

  manifest
    .command('lock')
    .argument('<file>', 'the manifest')
    .option('--refresh', 'ask the mirror for what is new, instead of keeping what was asked within the hour')
    .option('--mirror <"url suites components"...>', 'mirrors of Debian to ask where there is no apt, or instead of it')
    .option('--keyring <file>', "who may sign what the mirrors say (default: Debian's own keys)")
    .description(
      'Writes manifest.lock.json: exact versions and hashes of packages, and the digests of bases that are tags.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  hermesh manifest lock examples/shop/manifest.json\n  hermesh manifest lock manifest.json --refresh\n  hermesh manifest lock manifest.json --mirror "http://mirror.example/debian bookworm,bookworm-updates main"',
    )
    .action(async (file: string, { refresh, mirror, keyring }: LockOptions) => {
      const [{ lazyPackageSource, loadManifest, lockFileOf }, { formatLock, lockManifest }, steps, registries] =
        await Promise.all([
          import('#daemon/deploy'),
          import('#manifests'),
          import('#daemon/steps'),
          Promise.all([import('../registries.ts'), import('#manifests/distribution')]),
        ]);
      const out = output();
      const loaded = await loadManifest(path.resolve(file));
      const directory = path.join(homeOf(program.opts<CommonOptions>().home), 'apt');
      const packages = lazyPackageSource({ directory, mirrors: mirror, keyring, refresh });
      const [{ makeRegistryParts }, { makeRegistryBases }] = registries;
      const bases = makeRegistryBases(makeRegistryParts({ loginFiles: loginFiles() }, Math.random));
      const lock = await lockManifest(loaded.manifest, packages, {
        signal,
        nodes: steps.openRegistries().nodes,
        bases,
        report: (progress) => out.progress(progress),
      });
      const target = lockFileOf(loaded.file);
      writeWhole(target, formatLock(lock), 0o644);
      const count = new Set(
        [...Object.values(lock.containers), ...Object.values(lock.steps).flatMap((steps) => Object.values(steps))]
          .flatMap((platforms) => Object.values(platforms))
          .flatMap(({ packages: locked }) => locked.map(({ sha256 }) => sha256)),
      ).size;
      out.result({ file: target, packages: count }, () => `Wrote ${target}: ${count} packages`);
    });

  manifest
    .command('schema')
    .description(
      'Prints the JSON Schema (draft 2020-12) of manifest.json, for editors and checks; x- keys are free in it.',
    )
    .addHelpText('after', '\nExample:\n  hermesh manifest schema > manifest.schema.json')
    .action(async () => {
      const { manifestJsonSchema } = await import('#manifests');
      const schema = manifestJsonSchema();
      output().result(schema, () => JSON.stringify(schema, null, 2));
    });
}
