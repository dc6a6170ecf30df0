// A project shape: the files of a project and the lines of the plan that is right for it.

export interface Shape {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  /** As `describePlan` writes them. */
  readonly plan: readonly string[];
}

export function shape(name: string, files: Readonly<Record<string, string | object>>, plan: string): Shape {
  return {
    name,
    files: Object.fromEntries(
      Object.entries(files).map(([file, content]) => [
        file,
        typeof content === 'string' ? content : JSON.stringify(content, null, 2),
      ]),
    ),
    plan: plan
      .split('\n')
      .map((line) => line.replace(/^ {4}/, ''))
      .filter((line) => line.trim() !== ''),
  };
}
