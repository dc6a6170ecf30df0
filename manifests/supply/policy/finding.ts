// What a policy found in an image.

export interface Finding {
  readonly policy: 'licenses' | 'vulnerabilities' | 'secrets';
  /** `refuse` keeps the image from running; `tell` is for people. */
  readonly weight: 'refuse' | 'tell';
  /** Where: a package URL or a path. */
  readonly subject: string;
  readonly message: string;
  readonly mend: string;
}
