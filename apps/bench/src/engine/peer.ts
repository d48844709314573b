import type { Tensor } from '@tensorflow/tfjs-core';
import { agreementOf } from './agreement.ts';
import { ratioOf, summaryOf, type Run, type Timer } from './sampling.ts';
import { median, type Interval } from './statistics.ts';

/** A block as another library computes it, from the input of a match. */
export interface Peer {
  /** The library and its version, and what it computes on. */
  readonly version: string;
  /** One forward's output, laid out as the block's own. The caller disposes it. */
  readonly output: () => Promise<Tensor>;
  /** Times calls of the library, each with a map and giving one. */
  readonly time: Timer;
  /** Times calls that compute two of the block in a row; absent where calls copy no maps, or give other maps than they take. */
  readonly timeTwo?: Timer;
  readonly close: () => Promise<void>;
}

/** What starts peers, by their names. */
export type PeerStarters = Readonly<Record<string, () => Promise<Peer>>>;

/** What another library takes, in milliseconds a forward, or why it cannot be told. */
export type PeerLatency = PeerFigures | { readonly error: string };

interface PeerFigures {
  readonly version: string;
  readonly medianMs: number;
  readonly p95Ms: number;
  /** How many times faster our block is: the median over samples taken in one turn. */
  readonly ratio: number;
  readonly ratioCi95: Interval | null;
  /** What the second of two of the block in a row adds to a call: the block alone, without the copies of maps into and out of the library. */
  readonly addedMs?: number;
  /** How many times faster our block is than that. */
  readonly addedRatio?: number;
  /** The largest difference of the outputs, as a fraction of the larger of 1 and the peer's largest value. */
  readonly difference: number;
  readonly samples: number[];
}

/** A peer that gives the block's output, or why it does not. */
type Contender = { readonly name: string } & ({ readonly peer: Peer; readonly difference: number } | { readonly error: string });

/** Starts peers, one after the other, and holds their output against the block's: one that is wrong is not timed. */
export async function startPeers(starters: PeerStarters, subject: Run, tolerance: number | undefined): Promise<Contender[]> {
  const contenders: Contender[] = [];
  for (const [name, start] of Object.entries(starters)) {
    try {
      const peer = await start();
      contenders.push({ name, peer, difference: await differenceOf(subject, peer, name, tolerance) });
    } catch (error) {
      contenders.push({ name, error: (error as Error).message });
    }
  }
  return contenders;
}

async function differenceOf(subject: Run, peer: Peer, name: string, tolerance: number | undefined): Promise<number> {
  const outputs = [subject(), await peer.output()] as const;
  try {
    return await agreementOf(...outputs, tolerance, `${name}'s`);
  } finally {
    for (const output of outputs) output.dispose();
  }
}

/** What is to be timed of the contenders. */
export function peerTimers(contenders: readonly Contender[]): Timer[] {
  return contenders.flatMap((contender) => ('error' in contender ? [] : timersOf(contender.peer)));
}

function timersOf({ time, timeTwo }: Peer): Timer[] {
  return timeTwo ? [time, timeTwo] : [time];
}

/**
 * What the samples say, by the names of the libraries.
 *
 * @param own the block's samples
 * @param samples of {@link peerTimers}, taken in turns with the block's
 */
export function peerLatencies(contenders: readonly Contender[], own: readonly number[], samples: readonly number[][]): Record<string, PeerLatency> {
  const left = [...samples];
  const figuresOf = (contender: Contender): PeerLatency => {
    if ('error' in contender) return { error: contender.error };
    const { peer, difference } = contender;
    const [one, two] = left.splice(0, timersOf(peer).length);
    return { version: peer.version, ...summaryOf(one), ...ratioOf(own, one), ...(two && addedOf(own, one, two)), difference };
  };
  return Object.fromEntries(contenders.map((contender) => [contender.name, figuresOf(contender)]));
}

function addedOf(own: readonly number[], one: readonly number[], two: readonly number[]): Pick<PeerFigures, 'addedMs' | 'addedRatio'> {
  const added = two.map((ms, i) => ms - one[i]);
  return { addedMs: median(added), addedRatio: median(added.map((ms, i) => ms / own[i])) };
}

/** Ends the peers that run. */
export async function closePeers(contenders: readonly Contender[]): Promise<void> {
  for (const contender of contenders) if ('peer' in contender) await contender.peer.close();
}
