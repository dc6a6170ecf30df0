// Whether a declared licence is an expression of SPDX (specification 2.3, annex D), and which licences it names.
import satisfies from 'spdx-satisfies';

/** The check multiplies choices: 16 joints are at most some hundred ways. */
const maxJoints = 16;
const maxCharacters = 1000;

/** The expression without space around it, or undefined where the text is none ("SEE LICENSE IN …", "Proprietary"). */
export function expressionOf(text: string): string | undefined {
  const trimmed = text.trim();
  if (trimmed.length > maxCharacters || (trimmed.match(/\b(AND|OR)\b/g)?.length ?? 0) > maxJoints) return undefined;
  try {
    satisfies(trimmed, ['MIT']);
    return trimmed;
  } catch {
    return undefined;
  }
}

/** The licences that an expression names, each with its exception. */
export function licensesNamed(expression: string): string[] {
  const words = expression.replace(/[()]/g, ' ').split(/\s+AND\s+|\s+OR\s+/);
  return [...new Set(words.map((word) => word.trim()).filter((word) => word !== ''))];
}
