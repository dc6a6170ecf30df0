// The roots of a mesh as those above see them: who may change what, by whose signatures, with the bytes that prove it.
import { type Membership, rootHash, type SignedRoot } from '#registry/roster';
import type { MeshRoot, MeshRoots } from './contract.ts';

/** The chain, what waits for signatures, and what was outdone. */
export function readMeshRoots(membership: Membership): MeshRoots {
  const { roots, proposals, forks } = membership.roster;
  const all = (those: readonly SignedRoot[]): MeshRoot[] => those.map((root) => toMeshRoot(membership, root));
  return { chain: all(roots), proposals: all(proposals), forks: all(forks) };
}

function toMeshRoot({ statements }: Membership, { hash, root, signers }: SignedRoot): MeshRoot {
  const { version, admins, threshold, createdAt } = root;
  const signatures = statements.filter(
    ({ payload, signer }) =>
      payload.type === 'root' && payload.version === version && signers.includes(signer) && rootHash(payload) === hash,
  );
  return {
    version,
    hash,
    admins,
    threshold,
    signers,
    createdAt,
    statements: signatures.map(({ wire }) => wire),
  };
}
