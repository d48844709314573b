import { dispose, reshape, slice, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { median, medianCi95, quantile, type Interval } from './statistics.ts';

/** Something that can be run and leaves one output, which the caller disposes. */
export type Run = () => Tensor;

/** Does something to time so often, one after the other, and resolves to the milliseconds that this took. */
export type Timer = (repetitions: number) => Promise<number>;

/** A sample lasts at least this long: far above the ticks of any clock, those of browsers (0.1 ms) included. */
const SAMPLE_MS = 20;
/** Code is run this long before it is timed, so that compilers have settled. */
const WARM_UP_MS = 150;
const MAX_SAMPLES = 100;
const MIN_SAMPLES = 5;
/** Enough where one turn alone takes longer than the time given. */
const MIN_SLOW_SAMPLES = 3;

/** Tells when a measurement is disturbed: samples taken meanwhile do not count. */
export interface Watch {
  /** How often it has been disturbed. */
  readonly disturbances: () => number;
  /** Resolves when nothing disturbs it, which may be at once. */
  readonly calm: () => Promise<void>;
}

const NEVER_DISTURBED: Watch = { disturbances: () => 0, calm: async () => undefined };

/** Waits until `output` is computed, by reading one value of it back. Reading all would time the copy. */
export async function settle(output: Tensor): Promise<void> {
  const one = tidy(() => slice(reshape(output, [-1]), 0, 1));
  await one.data();
  one.dispose();
}

/** Times runs by waiting for the last one's output. */
export function timerOf(run: Run): Timer {
  return async (repetitions) => {
    const start = performance.now();
    for (let i = 1; i < repetitions; i++) dispose(run());
    const last = run();
    await settle(last);
    const elapsed = performance.now() - start;
    last.dispose();
    return elapsed;
  };
}

/** Runs once and returns the milliseconds that it took. */
export async function timeOnce(run: Run): Promise<number> {
  return timerOf(run)(1);
}

/**
 * Takes samples of one computation, or of several in turns (AB, BA, AB, …), so that whatever slows the machine meanwhile slows all.
 *
 * @param timeMs how long to go on, disturbances aside; at least a few samples are taken, and at most 100
 * @param onProgress told the fraction done after each sample
 * @returns for each computation its samples, milliseconds a run; sample `i` of one is taken right before or after sample `i` of the next one
 */
export async function takeSamples(
  timers: readonly Timer[],
  timeMs: number,
  onProgress: (fraction: number) => void,
  watch: Watch = NEVER_DISTURBED,
): Promise<number[][]> {
  await watch.calm();
  let elapsed = 0;
  const start = performance.now();
  const contenders = [];
  for (const time of timers) contenders.push({ time, repetitions: await warmUp(time), samples: [] as number[] });
  elapsed += performance.now() - start;
  for (let count = 0; count < MAX_SAMPLES;) {
    const before = performance.now();
    const disturbances = watch.disturbances();
    const turn: number[] = [];
    const order = count % 2 === 0 ? contenders : contenders.toReversed();
    for (const { time, repetitions } of order) turn.push((await time(repetitions)) / repetitions);
    if (watch.disturbances() !== disturbances) {
      await watch.calm();
      continue;
    }
    order.forEach(({ samples }, i) => samples.push(turn[i]));
    count++;
    const taken = performance.now() - before;
    elapsed += taken;
    const fewest = taken > timeMs ? MIN_SLOW_SAMPLES : MIN_SAMPLES;
    onProgress(Math.min(1, Math.max(elapsed / timeMs, count / MAX_SAMPLES)));
    if (elapsed >= timeMs && count >= fewest) break;
  }
  return contenders.map(({ samples }) => samples);
}

/** What samples say, in their unit. */
export function summaryOf(samples: number[]): { medianMs: number; p95Ms: number; samples: number[] } {
  return { medianMs: median(samples), p95Ms: quantile(samples, 0.95), samples };
}

/** How many times faster a computation is than another one: the median over pairs of samples, and its 95 % interval. */
export function ratioOf(own: readonly number[], other: readonly number[]): { ratio: number; ratioCi95: Interval | null } {
  const ratios = other.map((ms, i) => ms / own[i]);
  return { ratio: median(ratios), ratioCi95: medianCi95(ratios) };
}

/** Runs until it is warm, and returns how many runs make a sample. */
async function warmUp(time: Timer): Promise<number> {
  const start = performance.now();
  let fastest = Infinity;
  for (let repetitions = 1; ; repetitions *= 2) {
    fastest = Math.min(fastest, (await time(repetitions)) / repetitions);
    if (performance.now() - start >= WARM_UP_MS) return Math.ceil(SAMPLE_MS / fastest);
  }
}
