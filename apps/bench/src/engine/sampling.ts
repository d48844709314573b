import { dispose, reshape, slice, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { median, medianCi95, type Interval } from './statistics.ts';

/** Something that can be run and leaves one output, which the caller disposes. */
export type Run = () => Tensor;

/** A sample lasts at least this long: far above the ticks of any clock, those of browsers (0.1 ms) included. */
const SAMPLE_MS = 20;
/** Code is run this long before it is timed, so that compilers have settled. */
const WARM_UP_MS = 150;
const MAX_SAMPLES = 100;
const MIN_SAMPLES = 5;
/** Enough where one pair of samples alone takes longer than the time given. */
const MIN_SLOW_SAMPLES = 3;

/** Tells when a measurement is disturbed: samples taken meanwhile do not count. */
export interface Watch {
  /** How often it has been disturbed. */
  readonly disturbances: () => number;
  /** Resolves when nothing disturbs it, which may be at once. */
  readonly calm: () => Promise<void>;
}

const NEVER_DISTURBED: Watch = { disturbances: () => 0, calm: async () => undefined };

/** Times of two computations, milliseconds a run, sample `i` of one taken right before or after sample `i` of the other. */
export interface PairedSamples {
  readonly subject: number[];
  readonly baseline: number[];
}

/** Waits until `output` is computed, by reading one value of it back. Reading all would time the copy. */
export async function settle(output: Tensor): Promise<void> {
  const one = tidy(() => slice(reshape(output, [-1]), 0, 1));
  await one.data();
  one.dispose();
}

/** Runs once and returns the milliseconds that it took. */
export async function timeOnce(run: Run): Promise<number> {
  return timeRuns(run, 1);
}

/**
 * Takes samples of one computation, or of two in turns (AB, BA, AB, …), so that whatever slows the machine meanwhile slows both.
 *
 * @param timeMs how long to go on, disturbances aside; at least a few samples are taken, and at most 100
 * @param onProgress told the fraction done after each sample
 */
export async function takeSamples(
  subject: Run,
  baseline: Run | null,
  timeMs: number,
  onProgress: (fraction: number) => void,
  watch: Watch = NEVER_DISTURBED,
): Promise<PairedSamples> {
  await watch.calm();
  let elapsed = 0;
  const start = performance.now();
  const contenders = [];
  for (const run of baseline ? [subject, baseline] : [subject]) contenders.push({ run, repetitions: await warmUp(run), samples: [] as number[] });
  elapsed += performance.now() - start;
  for (let count = 0; count < MAX_SAMPLES;) {
    const before = performance.now();
    const disturbances = watch.disturbances();
    const pair: number[] = [];
    const order = count % 2 === 0 ? contenders : contenders.toReversed();
    for (const { run, repetitions } of order) pair.push((await timeRuns(run, repetitions)) / repetitions);
    if (watch.disturbances() !== disturbances) {
      await watch.calm();
      continue;
    }
    order.forEach(({ samples }, i) => samples.push(pair[i]));
    count++;
    const taken = performance.now() - before;
    elapsed += taken;
    const fewest = taken > timeMs ? MIN_SLOW_SAMPLES : MIN_SAMPLES;
    onProgress(Math.min(1, Math.max(elapsed / timeMs, count / MAX_SAMPLES)));
    if (elapsed >= timeMs && count >= fewest) break;
  }
  return { subject: contenders[0].samples, baseline: contenders[1]?.samples ?? [] };
}

/** How many times faster the subject is than its baseline: the median over pairs of samples, and its 95 % interval. */
export function ratioOf({ subject, baseline }: PairedSamples): { ratio: number; ratioCi95: Interval | null } {
  const ratios = baseline.map((ms, i) => ms / subject[i]);
  return { ratio: median(ratios), ratioCi95: medianCi95(ratios) };
}

/** Runs until it is warm, and returns how many runs make a sample. */
async function warmUp(run: Run): Promise<number> {
  const start = performance.now();
  let fastest = Infinity;
  for (let repetitions = 1; ; repetitions *= 2) {
    fastest = Math.min(fastest, (await timeRuns(run, repetitions)) / repetitions);
    if (performance.now() - start >= WARM_UP_MS) return Math.ceil(SAMPLE_MS / fastest);
  }
}

async function timeRuns(run: Run, repetitions: number): Promise<number> {
  const start = performance.now();
  for (let i = 1; i < repetitions; i++) dispose(run());
  const last = run();
  await settle(last);
  const elapsed = performance.now() - start;
  last.dispose();
  return elapsed;
}
