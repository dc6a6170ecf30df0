// Whom a stack says it belongs to: its label "operator". What stacks of one operator say counts once.
import { type Directory, type StackId, stackKind } from '#registry';

/** Undefined where it says nothing. */
export function operatorOf(directory: Pick<Directory, 'list'>, stack: StackId): string | undefined {
  const [own] = directory.list({ kind: stackKind, stack, includeUnreachable: true });
  return own?.body.labels['operator'];
}
