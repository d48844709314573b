import type { Pauses } from './pauses.ts';

/** Milliseconds that pass, without those of pauses. */
export function clockWithout(pauses: Pauses): () => number {
  let missed = 0;
  let since = pauses.paused ? performance.now() : null;
  pauses.onChange((paused) => {
    if (!paused && since !== null) missed += performance.now() - since;
    since = paused ? performance.now() : null;
  });
  return () => (since ?? performance.now()) - missed;
}
