// Tells once of the records of a feed that are kept hidden, and again when they are other ones.
import type { FeedStore } from '#registry/feeds';
import type { Log } from './log.ts';
import type { StackId } from './network.ts';

/** Hidden records of a feed that a warning names. */
const maxToldHidden = 5;

/** A feed with a hidden record may change many times a second: what is called is told of news only. */
export function tellHidden(store: FeedStore, log: Log): (feed: StackId) => void {
  /** By feed, as many as members; what was last told. */
  const last = new Map<StackId, string>();
  return (feed) => {
    const hidden = store.hiddenOf(feed, maxToldHidden);
    const told = JSON.stringify(hidden);
    if (hidden.length === 0 || last.get(feed) === told) return;
    log.warn({ stack: feed, hidden }, 'records are kept hidden');
    last.set(feed, told);
  };
}
