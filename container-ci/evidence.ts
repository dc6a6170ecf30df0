// What was read for one answer: numbered, bounded, without secrets; what couldn't be read stands there with its reason.
import { messageOf } from './error.ts';

export interface Evidence {
  /** `e1`, `e2`, …: what a sentence cites. */
  readonly id: string;
  readonly what: string;
  /** Where it was read and how much of it: `engine inspect`, `log lines 40-52 of 200`. */
  readonly source: string;
  /** When, as ISO 8601. */
  readonly readAt: string;
  /** At most 2,000 characters. */
  readonly excerpt: string;
  /** Why it couldn't be read. */
  readonly failed?: string;
}

/** A value and the id of the evidence it was read from. */
export interface Known<T> {
  readonly value: T;
  readonly evidence: string;
}

/** An excerpt is for a person to check a sentence by; the whole log is elsewhere. */
const maxExcerptCharacters = 2000;

export interface EvidenceBook {
  note<T>(what: string, source: string, value: T, excerpt: string): Known<T>;
  /** Reads, and notes either what came or why nothing did. */
  read<T>(
    what: string,
    source: string | ((value: T) => string),
    read: () => Promise<T>,
    show: (value: T) => string,
  ): Promise<Known<T> | undefined>;
  all(): readonly Evidence[];
}

export function makeEvidenceBook(now: () => number): EvidenceBook {
  const items: Evidence[] = [];
  const add = (what: string, source: string, excerpt: string, failed?: string): string => {
    const id = `e${items.length + 1}`;
    const clean = redact(excerpt);
    items.push({
      id,
      what,
      source,
      readAt: new Date(now()).toISOString(),
      excerpt: clean.length > maxExcerptCharacters ? `${clean.slice(0, maxExcerptCharacters - 1)}…` : clean,
      ...(failed === undefined ? {} : { failed: redact(failed) }),
    });
    return id;
  };
  return {
    note: (what, source, value, excerpt) => ({ value, evidence: add(what, source, excerpt) }),
    async read(what, source, read, show) {
      try {
        const value = await read();
        return { value, evidence: add(what, typeof source === 'string' ? source : source(value), show(value)) };
      } catch (error) {
        add(what, typeof source === 'string' ? source : what, '', messageOf(error));
        return undefined;
      }
    },
    all: () => items,
  };
}

const secretName =
  '[\\w.-]*(?:passw(?:or)?d|pwd|secret|token|api[_-]?key|private[_-]?key|credential|authorization|cookie)[\\w.-]*';
const secrets: readonly [RegExp, string][] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, '[redacted]'],
  [/\b([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@/]+@/gi, '$1:[redacted]@'],
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, '$1 [redacted]'],
  [
    new RegExp(
      `(["']?${secretName}["']?\\s*[=:]\\s*)("[^"]*"|'[^']*'|(?!\\[redacted\\]|bearer\\b|basic\\b)[^\\s,;&]+)`,
      'gi',
    ),
    '$1[redacted]',
  ],
  [new RegExp(`(--?${secretName}\\s+)(?!-)(\\S+)`, 'gi'), '$1[redacted]'],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, '[redacted]'],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, '[redacted]'],
  [/\bgh[pousr]_[A-Za-z0-9]{20,}\b/g, '[redacted]'],
];

/** The text without what looks like a secret: passwords, tokens, keys, credentials in addresses. */
export function redact(text: string): string {
  return secrets.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), text);
}
