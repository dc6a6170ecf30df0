// `hermesh manifest init` and `hermesh manifest dockerfile`: from a project to its manifest, and from that to a Dockerfile.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { writeWhole } from '../write-whole.ts';
import type { Output } from './output.ts';

export function addProjectCommands(manifest: Command, output: () => Output, signal: AbortSignal): void {
  manifest
    .command('init')
    .argument('[dir]', 'the folder of the project', '.')
    .option('--force', 'write over a manifest.json that is there')
    .description('Looks at a project and writes manifest.json, saying what it decided and which file decided it.')
    .addHelpText(
      'after',
      "\nThe same project gives the same bytes. What isn't sure is noted, with the way to mend it.\n\nExamples:\n  hermesh manifest init\n  hermesh manifest init shop --force\n  hermesh manifest init shop --json",
    )
    .action(async (dir: string, { force = false }: { force?: boolean }) => {
      const [detect, { ManifestError, parseManifest }] = await Promise.all([
        import('#manifests/detect'),
        import('#manifests'),
      ]);
      const directory = path.resolve(dir);
      const file = path.join(directory, 'manifest.json');
      const tree = await detect.readProjectTree(directory, { signal });
      if (!force && textOf(file) !== undefined) {
        throw new ManifestError(
          'would-overwrite',
          `Cannot write "${file}": it is there already; --force writes over it`,
        );
      }
      const plan = detect.detectProject(tree);
      if (plan.applications.length === 0) {
        const why = detect
          .describePlan(plan)
          .slice(1)
          .map((line) => `\n  ${line}`);
        throw new ManifestError(
          'nothing-to-deploy',
          `Cannot write "${file}": nothing to deploy was found${why.join('')}`,
        );
      }
      const text = `${JSON.stringify(detect.manifestOf(plan), null, 2)}\n`;
      // What is written here is read here: a manifest that isn't right is never left behind.
      parseManifest(text, { file });
      writeWhole(file, text, 0o644);
      const out = output();
      for (const line of detect.describePlan(plan)) out.note(line);
      out.result({ file, plan }, () => `Wrote ${file}: ${plan.applications.map(({ name }) => name).join(', ')}`);
    });

  manifest
    .command('dockerfile')
    .argument('<file>', 'the manifest')
    .option('--force', 'write over files that were edited by hand')
    .description('Writes a Dockerfile and a .dockerignore that make the same with docker build, beside the manifest.')
    .addHelpText(
      'after',
      '\nBoth begin with the digest of the rest of themselves, so an edit by hand is noticed: then the difference is shown, and\nnothing is written without --force.\n\nExamples:\n  hermesh manifest dockerfile manifest.json\n  hermesh manifest dockerfile manifest.json --force',
    )
    .action(async (name: string, { force = false }: { force?: boolean }) => {
      const [{ isUnedited, unifiedDiff, writeDockerfile }, { ManifestError }, { loadManifest }] = await Promise.all([
        import('#manifests/detect'),
        import('#manifests'),
        import('#daemon/deploy'),
      ]);
      const loaded = await loadManifest(path.resolve(name));
      const { dockerfile, dockerignore } = writeDockerfile(loaded.manifest);
      const directory = path.dirname(loaded.file);
      const files = [
        { file: path.join(directory, 'Dockerfile'), text: dockerfile },
        { file: path.join(directory, '.dockerignore'), text: dockerignore },
      ];
      const edited = files.flatMap(({ file, text }) => {
        const there = textOf(file);
        return there === undefined || there === text || isUnedited(there)
          ? []
          : [{ file, diff: unifiedDiff(there, text, { before: file, after: `${file} (from the manifest)` }) }];
      });
      if (edited.length > 0 && !force) {
        const names = edited.map(({ file }) => `"${file}"`).join(' and ');
        const diffs = edited.map(({ diff }) => diff).join('');
        throw new ManifestError(
          'would-overwrite',
          `Cannot write ${names}: edited by hand; --force writes over it\n${diffs}`,
        );
      }
      const written = files.filter(({ file, text }) => textOf(file) !== text);
      for (const { file, text } of written) writeWhole(file, text, 0o644);
      const out = output();
      for (const { diff } of edited) out.note(diff);
      out.result({ files: files.map(({ file }) => file), written: written.map(({ file }) => file) }, () =>
        written.length === 0
          ? `${files.map(({ file }) => file).join(' and ')} are as the manifest says`
          : `Wrote ${written.map(({ file }) => file).join(' and ')}`,
      );
    });
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
