// This room alone knows why a decoder refuses something.

/** What was wrong, by the rule that it broke. */
export type Reason =
  | 'cbor'
  | 'order'
  | 'shape'
  | 'size'
  | 'id'
  | 'signature'
  | 'mesh'
  | 'changes'
  | 'proof'
  | 'evidence'
  | 'checksum'
  | 'limit';

/** Thrown where the page says that something is refused; `code` names the rule, the message the place. */
export class Refusal extends Error {
  readonly code: Reason;

  constructor(code: Reason, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options);
    this.name = 'Refusal';
    this.code = code;
  }
}

/** Refuses with that code unless the condition holds. */
export function insist(condition: boolean, code: Reason, message: string): asserts condition {
  if (!condition) throw new Refusal(code, message);
}
