// What a text read from a container may not carry on: secrets, and characters that a terminal would obey.

const keywords =
  /passw(?:or)?d|passphrase|(?:^|[_.-]|require|db|user|root|redis|smtp|mail)pass$|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization|masterauth|cookie/i;
const hidden = '[redacted]';

/** Each pattern begins where a word does and looks back over nothing it has read: a line of n characters costs about n steps. */
const known: readonly [RegExp, string][] = [
  [/-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)/g, hidden],
  [/(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@]{0,256}):[^\s/]+@/gi, `$1:${hidden}@`],
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${hidden}`],
  [/(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g, hidden],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, hidden],
  [/\b(?:gh[pousr]_|github_pat_|glpat-|npm_|xox[abprs]-|sk_live_|rk_live_|sk-|AIza)[\w-]{20,}/g, hidden],
];
/** A name and what stands between it and its value: "=" or ":", or blanks after an option. */
const named =
  /(?<![\w.-])(-{0,2})([\w.-]{1,128}?)(?:["']?\s{0,8}[=:]\s{0,8}|(?<=(?<![\w.-])--?[\w.-]{1,128})\s{1,8}(?!-))/g;
const value = /"[^"]*"|'[^']*'|(?!\[redacted\]|bearer\b|basic\b)[^\s,;&]+/iy;

/** The text without what looks like a secret: passwords, tokens, keys, credentials in addresses. */
export function redact(text: string): string {
  return hideNamed(known.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), text));
}

/** Only the value of a name that means a secret is taken: what stands after any other name may be such a name itself. */
function hideNamed(text: string): string {
  let done = '';
  let from = 0;
  for (const match of text.matchAll(named)) {
    const end = match.index + match[0].length;
    if (match.index < from || !keywords.test(match[2] ?? '')) continue;
    value.lastIndex = end;
    if (!value.test(text)) continue;
    done += text.slice(from, end) + hidden;
    from = value.lastIndex;
  }
  return done + text.slice(from);
}

/** The lines without secrets, one for one: a private key over several lines is hidden in each of them. */
export function redactLines(lines: readonly string[]): string[] {
  let inKey = false;
  return lines.map((line) => {
    const begins = /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----/.test(line);
    const ends = /-----END [A-Z ]{0,30}PRIVATE KEY-----/.test(line);
    const isBody = inKey && !begins;
    inKey = (inKey || begins) && !ends;
    return isBody ? hidden : redact(line);
  });
}

/**
 * The text with control characters written out, such as `\x1b`: none moves a cursor, changes a title or turns text around.
 * Line breaks and tabs stay.
 */
export function plain(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it is about
    /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => {
      const code = character.charCodeAt(0);
      return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
    },
  );
}
