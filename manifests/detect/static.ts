// A page without a build: an index.html, or what a generator of sites makes.
import type { Draft } from './plan.ts';
import type { Folder } from './project.ts';
import { habit, type Provider, said } from './provider.ts';

export const staticProvider: Provider = {
  name: 'static',
  marks: ['Staticfile', 'hugo.toml', 'hugo.yaml', 'mkdocs.yml', '_config.yml'],
  weakMarks: ['index.html'],
  detect: (folder) => draftsOf(folder),
};

/** Generators of sites, with the Debian package that holds each. */
const generators = [
  { file: 'hugo.toml', name: 'hugo', packages: ['hugo'], build: 'hugo --minify --destination /out' },
  { file: 'hugo.yaml', name: 'hugo', packages: ['hugo'], build: 'hugo --minify --destination /out' },
  { file: 'mkdocs.yml', name: 'mkdocs', packages: ['mkdocs'], build: 'mkdocs build --site-dir /out' },
  { file: '_config.yml', name: 'jekyll', packages: ['jekyll'], build: 'jekyll build --destination /out' },
] as const;

function draftsOf(folder: Folder): readonly Draft[] {
  const generator = generators.find(({ file }) => folder.has(file));
  const declared = /^root:\s*(\S+)/m.exec(folder.read('Staticfile') ?? '')?.[1];
  const root =
    declared ??
    ['.', 'public', 'site', 'www', 'html'].find((each) =>
      folder.has(each === '.' ? 'index.html' : `${each}/index.html`),
    );
  if (!generator && root === undefined) return [];
  const file = generator?.file ?? (declared ? 'Staticfile' : root === '.' ? 'index.html' : `${root}/index.html`);
  return [
    {
      named: undefined,
      path: folder.path,
      provider: 'static',
      language: 'html',
      role: 'application',
      type: 'static',
      ...(generator ? { framework: generator.name } : {}),
      confidence: generator || declared ? 'high' : 'medium',
      runtime: { name: 'static', wanted: undefined, from: undefined, packages: [], version: undefined },
      evidence: [folder.evidence(file, generator ? `a site of ${generator.name}` : 'a page')],
      install: [],
      build: generator ? [generator.build] : [],
      collect: generator ? [] : [`cp -a ${root}/. /out/`],
      buildPackages: generator?.packages ?? [],
      health: generator
        ? habit(folder, file, '/', 'a page has a start')
        : said(folder, file, '/', 'a page has a start'),
      startIn: '',
      lockfiles: [],
    },
  ];
}
