// What follows from news: of records, and of who belongs; whom they concern is told, and who lost its right is cut off.
import type { Watch } from '#registry/liveness';
import type { Connections, Replica, Spread } from '#registry/replication';
import type { Statement } from '#registry/roster';
import type { Zones } from '#registry/zones';
import type { Kept } from './kept.ts';
import type { Log } from './log.ts';
import type { Network, StackId } from './network.ts';
import type { OwnFeed } from './own-feed.ts';

/** Hidden records of a feed that a warning names. */
const maxToldHidden = 5;
/** Neighbours that are told directly who came in, besides what is published to all: the others would meet it in anti-entropy. */
const maxToldOfCertificates = 3;

export interface NewsParts {
  readonly kept: Kept;
  readonly network: Network;
  readonly log: Log;
  /** The parts that are told; they stand once the registry is wired. */
  readonly told: () => {
    readonly ownFeed: OwnFeed;
    readonly replica: Replica;
    readonly spread: Spread;
    readonly connections: Connections;
    readonly watch: Watch;
    readonly zones: Zones | undefined;
  };
}

export class News {
  readonly #parts: NewsParts;
  /** What was last told of the hidden records of a feed. */
  readonly #toldHidden = new Map<StackId, string>();
  /** Grows with each time that some neighbours are told, so that it isn't always the same ones. */
  #turn = 0;

  constructor(parts: NewsParts) {
    this.#parts = parts;
  }

  /** Records of a feed changed. */
  changed(feed: string): void {
    const { kept, log, told } = this.#parts;
    const hidden = kept.feedStore.hiddenOf(feed, maxToldHidden);
    const said = JSON.stringify(hidden);
    // Once for the same ones: a feed with a hidden record may change many times a second.
    if (hidden.length > 0 && this.#toldHidden.get(feed) !== said) {
      log.warn({ stack: feed, hidden }, 'records are kept hidden');
      this.#toldHidden.set(feed, said);
    }
    kept.directory.wake();
    told().connections.check(feed);
  }

  /** The roster changed: rights are judged anew, and who lost its own is cut off. */
  stated(statements: readonly Statement[]): void {
    const { kept, network, log, told } = this.#parts;
    const { membership, time, standing } = kept;
    kept.feedStore.database.transaction(() => {
      for (const stack of membership.touched(statements)) standing.judgeAnew(stack);
    });
    for (const { payload, signer } of statements) {
      const stack = 'stack' in payload ? payload.stack : signer;
      if (membership.valid(stack)) continue;
      time.forget(stack);
      // Also one that is connected and never said that it is there.
      void network.disconnect(stack);
    }
    const { forks } = membership.roster;
    if (forks.length > 0 && statements.some(({ payload }) => payload.type === 'root')) {
      const outdone = forks.map(({ hash, root, signers }) => ({ version: root.version, hash, signers }));
      log.warn({ outdone }, 'admins signed two roots of one version: one stands, see "mesh root export"');
    }
    this.cutOff();
    const { ownFeed, watch, connections, zones } = told();
    ownFeed.pardon();
    watch.refresh();
    zones?.changed('roster');
    connections.check();
    kept.members.tell();
    kept.directory.wake();
  }

  /** The roster changed by something done here: others are told too. */
  spread(statements: readonly Statement[]): void {
    if (statements.length === 0) return;
    this.stated(statements);
    void this.tell(statements);
  }

  /**
   * Who belongs to the mesh is published and also told to neighbours, since a message that is published may get lost: who lost
   * its right to each, who came in to some. A fleet that joins would cost an exchange for each pair of its stacks else.
   */
  async tell(statements: readonly Statement[]): Promise<void> {
    const { spread, replica } = this.#parts.told();
    spread.do(replica.stated(statements.map(({ wire }) => wire)));
    const peers = this.#parts.network.connected();
    const isUrgent = statements.some(({ payload }) => payload.type !== 'certificate');
    await Promise.all((isUrgent ? peers : this.#some(peers)).map((peer) => spread.exchange(peer)));
  }

  #some(peers: readonly StackId[]): readonly StackId[] {
    const first = peers.length > 0 ? (this.#turn * maxToldOfCertificates) % peers.length : 0;
    this.#turn += 1;
    return [...peers.slice(first), ...peers.slice(0, first)].slice(0, maxToldOfCertificates);
  }

  /** Who lost its right, or whose certificate ran out, is connected no more: nothing is published to it either. */
  cutOff(): void {
    const { network, kept } = this.#parts;
    for (const peer of network.connected()) if (!kept.membership.valid(peer)) void network.disconnect(peer);
  }
}
