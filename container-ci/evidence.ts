// What was read for one answer: numbered, bounded, without secrets; what couldn't be read stands there with its reason.
import { messageOf } from './error.ts';
import { plain, redact } from './redact.ts';

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
/** What is searched for secrets: some may be much longer than what hides them. */
const maxSearchedCharacters = 8 * maxExcerptCharacters;

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
    // Cut before it is searched: a list of processes or a log may be of any length.
    const clean = plain(redact(excerpt.slice(0, maxSearchedCharacters)));
    items.push({
      id,
      what,
      source,
      readAt: new Date(now()).toISOString(),
      excerpt: clean.length > maxExcerptCharacters ? `${clean.slice(0, maxExcerptCharacters - 1)}…` : clean,
      ...(failed === undefined ? {} : { failed: plain(redact(failed.slice(0, maxExcerptCharacters))) }),
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
