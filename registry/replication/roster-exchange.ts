// Brings two rosters together: what differs is found down the trie of statement ids, so that 40,000 cost as much as what is new.
import { z } from 'zod';
import { Descent, maxPaths, nodesAt } from '#registry/feeds';
import { isForged, type Membership, type Statement } from '#registry/roster';
import type { Clock } from '../clock.ts';
import type { Network, StackId } from '../network.ts';
import { RegistryError } from '../registry-error.ts';
import { bytesSchema, fit, fromBytes, readRequest, toBytes, toHex } from '../wire.ts';
import { ask, maxMessageBytes, memberBounds } from './ask.ts';
import { nodeSchema, pathSchema } from './feed-exchange.ts';

const rosterProtocol = '/hermesh/roster/1.0.0';
/** Statements in which two rosters may differ: 10,000 stacks with their renewals of a year or so. */
const maxStatements = 40_000;
/** Statements in one message: about 400 bytes each. */
const maxStatementsBytes = 512 * 1024;
const maxWires = 2_000;
/** Questions in one exchange: some for the nodes of 40,000 ids, and one for each 1,300 statements. What is left comes with the next. */
const maxRounds = 64;

const id = bytesSchema(32);
const wires = z.array(bytesSchema({ maxBytes: maxMessageBytes })).max(maxWires);
const request = z.union([
  z.strictObject({ paths: z.array(pathSchema).max(maxPaths) }),
  z.strictObject({ want: z.array(id).max(maxWires), give: wires }),
]);
const nodesAnswer = z.strictObject({ nodes: z.array(nodeSchema).max(maxPaths) });
const statementsAnswer = z.strictObject({ statements: wires });

export interface RosterExchangeParts {
  readonly network: Network;
  readonly membership: Membership;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly stated: (statements: readonly Statement[]) => void;
}

export class RosterExchange {
  readonly #parts: RosterExchangeParts;

  constructor(parts: RosterExchangeParts) {
    this.#parts = parts;
    parts.network.serve(rosterProtocol, memberBounds, async (bytes) => this.#answer(bytes));
  }

  /** Fetches what that member has and gives it what it lacks; `root` is that of its trie, in hex. */
  async with(peer: StackId, root: string): Promise<void> {
    const { membership } = this.#parts;
    const descent = new Descent(membership.roster.trie, new Uint8Array(Buffer.from(root, 'hex')), maxStatements);
    let isWhole = true;
    for (let round = 0; isWhole && round < maxRounds; round += 1) {
      const paths = descent.wanted();
      if (paths.length === 0) break;
      const read = fromBytes(nodesAnswer, await this.#ask(peer, { paths }), maxMessageBytes);
      // Its roster may have gone on meanwhile: what was found until then is asked for.
      isWhole = read !== undefined && descent.take(read.nodes);
    }
    const want = [...descent.differing.values()].map(({ key }) => key);
    const lacking = isWhole ? new Set(descent.removed.map((key) => toHex(key))) : new Set<string>();
    const given = membership.statements.filter((each) => lacking.has(each.id)).slice(0, maxWires);
    let give = fit(given, maxStatementsBytes, ({ wire }) => wire).map(({ wire }) => wire);
    for (let round = 0; round < maxRounds && (want.length > 0 || give.length > 0); round += 1) {
      const asked = want.slice(0, maxWires);
      const read = fromBytes(statementsAnswer, await this.#ask(peer, { want: asked, give }), maxMessageBytes);
      if (!read || (asked.length > 0 && read.statements.length === 0)) return;
      this.state(read.statements);
      // As many as fitted came, in the order in which they were asked for.
      want.splice(0, Math.min(asked.length, read.statements.length));
      give = [];
    }
  }

  /** Takes statements in; returns how many of them are news. */
  state(given: readonly Uint8Array[]): number {
    const { membership, stated } = this.#parts;
    const fresh = membership.add(given);
    if (fresh.length > 0) stated(fresh);
    return fresh.length;
  }

  #answer(bytes: Uint8Array): Uint8Array {
    const { membership } = this.#parts;
    const read = readRequest(request, bytes, maxMessageBytes);
    if ('paths' in read) return toBytes({ nodes: nodesAt(membership.roster.trie, read.paths) });
    if (read.give.some(isForged))
      throw new RegistryError('refused', 'Cannot take a statement that its signer did not sign');
    this.state(read.give);
    const wanted = new Set(read.want.map((each) => toHex(each)));
    const found = new Map(membership.statements.flatMap((each) => (wanted.has(each.id) ? [[each.id, each.wire]] : [])));
    const inOrder = read.want.flatMap((each) => found.get(toHex(each)) ?? []);
    return toBytes({ statements: fit(inOrder, maxStatementsBytes, (wire) => wire) });
  }

  #ask(peer: StackId, message: z.infer<typeof request>): Promise<Uint8Array> {
    return ask(this.#parts, peer, rosterProtocol, toBytes(message), this.#parts);
  }
}
