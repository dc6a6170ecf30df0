// What can go wrong in governance, by code.

/**
 * `event-too-large`: the data of an event is above its bound. `events-gone`: events after the position were let go already,
 * so a follower has missed some. `not-json`: a value has no canonical JSON.
 */
export type GovernanceCode = 'event-too-large' | 'events-gone' | 'not-json';

export class GovernanceError extends Error {
  override readonly name = 'GovernanceError';
  readonly code: GovernanceCode;
  /** The same would fail again, whatever the code. */
  readonly mayRetry = false;

  constructor(code: GovernanceCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
