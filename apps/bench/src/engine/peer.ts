import type { Tensor } from '@tensorflow/tfjs-core';

/** A block as another library computes it, from the input of a match. */
export interface Peer {
  /** The library's version, and what it computes on. */
  readonly version: string;
  /** One forward's output, laid out as the block's own. The caller disposes it. */
  readonly output: () => Promise<Tensor>;
  /** Runs so many forwards, one after the other, and resolves to the milliseconds that they took. */
  readonly time: (repetitions: number) => Promise<number>;
  readonly close: () => Promise<void>;
}
