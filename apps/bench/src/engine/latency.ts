import { clone, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { agreementOf } from './agreement.ts';
import type { Forward, Match } from './match.ts';
import type { MemoryGauge } from './memory.ts';
import { workOf, type Work } from './profile.ts';
import { closePeers, peerLatencies, peerTimers, startPeers, type PeerLatency, type PeerStarters } from './peer.ts';
import { ratioOf, settle, summaryOf, takeSamples, timeOnce, timerOf, type Run, type Watch } from './sampling.ts';
import type { Interval } from './statistics.ts';

/** Times in milliseconds a forward, memory in bytes. */
export interface Latency extends Work {
  readonly medianMs: number;
  readonly p95Ms: number;
  /** The very first forward: compilation included. */
  readonly firstRunMs: number;
  /** The highest growth of memory over the first forwards; null where it cannot be told. */
  readonly peakBytes: number | null;
  readonly params?: number;
  readonly macs?: number;
  /** Every sample, in the order taken. */
  readonly samples: number[];
  readonly baseline: BaselineLatency | { readonly refused: string };
  /** By the names of the libraries. */
  readonly peers?: Readonly<Record<string, PeerLatency>>;
}

export interface BaselineLatency extends Work {
  readonly medianMs: number;
  readonly p95Ms: number;
  /** How many times faster the block is: the median over pairs of samples. */
  readonly ratio: number;
  readonly ratioCi95: Interval | null;
  /** The largest difference between the two outputs, as a fraction of the larger of 1 and the baseline's largest value. */
  readonly difference: number;
  readonly samples: number[];
}

export interface LatencyOptions {
  /** How long to take samples, in milliseconds. */
  readonly timeMs: number;
  readonly gauge: MemoryGauge;
  readonly watch?: Watch | undefined;
  /** Libraries that the block is compared with, where its baseline is run too. Default: none. */
  readonly peers?: PeerStarters;
  readonly onProgress?: (fraction: number) => void;
}

/**
 * Measures a match: first run and memory, then whether the output is right, and only then the time.
 *
 * @throws where the output is wrong: a wrong block is not timed
 */
export async function measureLatency(match: Match, options: LatencyOptions): Promise<Latency> {
  const { timeMs, gauge, watch, peers: starters = {}, onProgress = () => undefined } = options;
  const runOf =
    (forward: Forward): Run =>
    () =>
      tidy(() => ownOutput(forward(match.input), match.input));
  const subject = runOf(match.subject);
  // What reading back needs must not count as the first run.
  await settle(match.input);

  gauge.start();
  const firstRunMs = await timeOnce(subject);
  // A second forward, so that memory shows whether it grows from one to the next.
  const work = await workOf(subject);
  const cost = { firstRunMs, peakBytes: gauge.peakBytes(), ...work, ...costOf(match) };

  if ('refused' in match.baseline) {
    const [samples] = await takeSamples([timerOf(subject)], timeMs, onProgress, watch);
    return { ...summaryOf(samples), ...cost, baseline: match.baseline };
  }
  const baseline = runOf(match.baseline);
  const difference = await differenceOf(subject, baseline, match.tolerance);
  const peers = await startPeers(starters, subject, match.tolerance);
  const timers = [timerOf(subject), timerOf(baseline), ...peerTimers(peers)];
  const [own, plain, ...others] = await takeSamples(timers, timeMs, onProgress, watch);
  await closePeers(peers);
  return {
    ...summaryOf(own),
    ...cost,
    baseline: { ...summaryOf(plain), ...ratioOf(own, plain), difference, ...(await workOf(baseline)) },
    ...(peers.length > 0 && { peers: peerLatencies(peers, own, others) }),
  };
}

/** The output as a tensor that can be disposed without the input, which an identity gives back. */
function ownOutput(output: Tensor, input: Tensor): Tensor {
  return output === input ? clone(output) : output;
}

async function differenceOf(subject: Run, baseline: Run, tolerance: number | undefined): Promise<number> {
  const outputs = [subject(), baseline()] as const;
  try {
    return await agreementOf(...outputs, tolerance);
  } finally {
    for (const output of outputs) output.dispose();
  }
}

function costOf({ params, macs }: Match): { params?: number; macs?: number } {
  return { ...(params !== undefined && { params }), ...(macs !== undefined && { macs }) };
}
