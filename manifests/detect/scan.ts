// What source code says of its port and its health path: bounded patterns over the files near a program's entry.
import type { Found } from './plan.ts';
import type { Folder } from './project.ts';
import type { Language } from './versions.ts';

/** Files that are searched for one application: entries lie near its root. */
const maxFiles = 400;
/** Longer lines are generated. */
const maxLine = 500;

const number = String.raw`(\d{2,5})\b`;
const fallback = String.raw`(?:[^;\n]{0,80}?(?:\|\||\?\?|\?:|,)\s*)?`;

/** Each pattern holds the port as its first group; the sure ones first. */
const portPatterns: Readonly<Partial<Record<Language, readonly RegExp[]>>> = {
  node: [
    new RegExp(
      String.raw`\.listen\(\s*(?:\{[^}\n]{0,80}?port\s*:\s*)?(?:[^,)\n]{0,80}?(?:\|\||\?\?)\s*)?['"]?${number}`,
    ),
    new RegExp(
      String.raw`\b(?:port|PORT)\b\s*(?::\s*\w{1,20}\s*)?[=:]\s*(?:[^;,\n]{0,80}?(?:\|\||\?\?|,)\s*)?['"]?${number}`,
    ),
  ],
  python: [
    new RegExp(String.raw`\bport\s*=\s*(?:int\(\s*)?(?:os\.[\w.]{3,12}\([^,)\n]{0,40},\s*)?['"]?${number}`, 'i'),
    new RegExp(String.raw`\(\s*['"](?:0\.0\.0\.0|127\.0\.0\.1|localhost|)['"]\s*,\s*${number}\s*\)`),
  ],
  go: [
    new RegExp(
      String.raw`(?:ListenAndServe(?:TLS)?|\.Run|\.Start|\.Listen|net\.Listen)\(\s*(?:"tcp",\s*)?"[\w.]{0,40}:${number}"`,
    ),
    new RegExp(String.raw`Addr\s*:\s*"[\w.]{0,40}:${number}"`),
    new RegExp(String.raw`\b(?:port|addr|Port|Addr)\b\s*:?=\s*"?[\w.]{0,40}:?${number}"?`),
  ],
  rust: [
    new RegExp(String.raw`"(?:0\.0\.0\.0|127\.0\.0\.1|localhost|\[::\]):${number}"`),
    new RegExp(String.raw`\[\s*(?:0|127)\s*,\s*0\s*,\s*0\s*,\s*[01]\s*\]\s*,\s*${number}`),
    new RegExp(String.raw`\(\s*"(?:0\.0\.0\.0|127\.0\.0\.1|localhost|::)"\s*,\s*${number}\s*\)`),
    new RegExp(String.raw`unwrap_or(?:_else)?\(\s*(?:\|_\|\s*)?"?${number}`),
  ],
  java: [
    new RegExp(String.raw`new InetSocketAddress\(\s*(?:"[^"\n]{0,40}",\s*)?${number}`),
    new RegExp(String.raw`(?:\.port|\.start|\.listen|embeddedServer)\([^)\n]{0,60}?${number}`),
  ],
  ruby: [
    new RegExp(String.raw`^\s*port\s*\(?\s*(?:ENV[^{\n]{0,40}\{\s*)?(?:ENV\.fetch\([^,\n]{0,20},\s*)?['"]?${number}`),
    new RegExp(String.raw`set\s+:port,\s*(?:[^\n]{0,40}?\|\|\s*)?['"]?${number}`),
  ],
  dotnet: [new RegExp(String.raw`https?:\/\/(?:\*|\+|0\.0\.0\.0|localhost|\[::\]):${number}`)],
  deno: [new RegExp(String.raw`\bport\s*:\s*${fallback}['"]?${number}`)],
  elixir: [new RegExp(String.raw`\bport\s*:\s*(?:[^\n]{0,60}?\|\|\s*)?"?${number}`)],
  php: [new RegExp(String.raw`new\s+\\?[\w\\]{0,60}Server\([^)\n]{0,60}?${number}`)],
};

const extensions: Readonly<Partial<Record<Language, RegExp>>> = {
  node: /\.[cm]?[jt]sx?$/,
  python: /\.py$/,
  go: /\.go$/,
  rust: /\.rs$/,
  java: /\.(?:java|kt|properties|ya?ml)$/,
  php: /\.php$/,
  ruby: /\.(?:rb|ru)$/,
  dotnet: /\.(?:cs|fs)$/,
  deno: /\.[cm]?[jt]sx?$/,
  elixir: /\.exs?$/,
};

/** What says of a line that a path on it is routed. */
const routing =
  /get\b|\ball\b|use\(|route|path|handle|match|mapping|url|when|\bhealth|live|endpoint|scope|MapHealth|\bcase\b|up['"]\s*=>/i;
/** Best first: readiness is asked for when a deploy waits, and "health" is what most mean by it. */
const healthNames =
  /['"`](\/?(?:[\w-]{1,30}\/){0,3}(?:health|healthz|health-check|healthcheck|ready|readyz|readiness|live|livez|liveness|ping|up)(?:\/(?:live|ready))?)\/?['"`]/;
const ranks = ['health', 'healthz', 'healthcheck', 'health-check', 'ready', 'readyz', 'readiness', 'live', 'livez'];

/** The first port that code listens on, in the files nearest the root, of those that `only` takes. */
export function scanPort(
  folder: Folder,
  language: Language,
  only: (file: string) => boolean = () => true,
): Found<number> | undefined {
  const patterns = portPatterns[language] ?? [];
  for (const pattern of patterns) {
    for (const [file, line, row] of linesOf(folder, language)) {
      if (!only(file)) continue;
      if (/database|redis|postgres|mysql|mongo|smtp|proxy|target|hmr|amqp|kafka/i.test(row)) continue;
      const port = Number(pattern.exec(row)?.[1]);
      if (port >= 80 && port <= 65_535) {
        return { value: port, from: folder.evidence(file, `line ${line} listens on ${port}`), confidence: 'medium' };
      }
    }
  }
  return undefined;
}

/** The best path that looks like a health check, where the line that holds it routes. */
export function scanHealth(folder: Folder, language: Language): Found<string> | undefined {
  let best: { rank: number; found: Found<string> } | undefined;
  for (const [file, line, row] of linesOf(folder, language)) {
    const path = healthNames.exec(row)?.[1];
    if (path === undefined || /\bimport\b|\bfrom ['"]|require\(|fetch\(|https?:\/\//.test(row) || !routing.test(row))
      continue;
    if (!path.startsWith('/') && !/\bpath\(|get ['"]|@Controller|=>/.test(row)) continue;
    const value = path.startsWith('/') ? path : `/${path}`;
    const at = ranks.indexOf(value.slice(value.lastIndexOf('/') + 1));
    const rank = at < 0 ? ranks.length : at;
    if (best && best.rank <= rank) continue;
    best = {
      rank,
      found: { value, from: folder.evidence(file, `line ${line} answers ${value}`), confidence: 'medium' },
    };
  }
  return best?.found;
}

/** Whether code listens on the loopback address alone, which nothing outside its container reaches. */
export function scanLoopback(folder: Folder, language: Language): void {
  for (const [file, line, row] of linesOf(folder, language)) {
    if (!/(?:listen|bind|run|serve|host\s*=)[^\n]{0,80}['"](?:127\.0\.0\.1|localhost)(?::\d{2,5})?['"]/i.test(row))
      continue;
    folder.note(
      file,
      `line ${line} listens on the loopback address: nothing outside the container reaches it`,
      'listen on 0.0.0.0',
    );
    return;
  }
}

/** Files of a language that hold this text, nearest the root first. */
export function filesWith(
  folder: Folder,
  language: Language,
  pattern: RegExp,
): readonly { file: string; match: RegExpExecArray }[] {
  return sourcesOf(folder, language).flatMap((file) => {
    const match = pattern.exec(folder.read(file) ?? '');
    return match ? [{ file, match }] : [];
  });
}

function sourcesOf(folder: Folder, language: Language): readonly string[] {
  const pattern = extensions[language];
  return folder
    .files()
    .filter((file) => pattern?.test(file) && !/\.(?:config|d)\.[cm]?[jt]s$/.test(file))
    .map((file) => [file.split('/').length, file] as const)
    .sort(([left], [right]) => left - right)
    .slice(0, maxFiles)
    .map(([, file]) => file);
}

function* linesOf(folder: Folder, language: Language): Iterable<readonly [string, number, string]> {
  for (const file of sourcesOf(folder, language)) {
    let line = 0;
    for (const row of (folder.read(file) ?? '').split('\n')) {
      line += 1;
      if (row.length > 3 && row.length <= maxLine && !/^\s*(?:\/\/|#(?!\[)|\*)/.test(row)) yield [file, line, row];
    }
  }
}
