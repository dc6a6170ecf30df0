// How a CI is named after its container.
import { identityOf } from './labels.ts';

/** A DNS label, so that the name can stand in addresses. */
const maxNameLength = 63;

/** What its label says, else `<container>-ci` after the engine's name of the container; lower case, digits and "-". */
export function wantedName(container: {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}): string {
  const identity = identityOf(container);
  const name = identity?.ci || `${identity?.container || container.name}-ci`;
  const clean = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return (clean || 'container-ci').slice(0, maxNameLength);
}

/** The wanted name, with a part of the container's id where another has it already. */
export function freeName(wanted: string, containerId: string, isTaken: (name: string) => boolean): string {
  if (!isTaken(wanted)) return wanted;
  const suffix = containerId.slice(0, 6);
  return `${wanted.slice(0, maxNameLength - suffix.length - 1)}-${suffix}`;
}
