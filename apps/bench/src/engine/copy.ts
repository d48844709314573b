import { mul, range, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { takeSamples, timeOnce, timerOf, type Run } from './sampling.ts';
import { median } from './statistics.ts';

/** 64 MiB of values: more than caches hold; and 8 MiB, where copying those would take long, as in software. */
const [MANY, FEW] = [2 ** 24, 2 ** 21];
/** A first copy of the few that takes longer, shaders already compiled, is slow: in milliseconds. */
const SLOW_MS = 10;
const TIME_MS = 300;

/**
 * How fast the current backend reads a large tensor and writes another one, as its cheapest kernel does it: what no block's bytes can be faster than.
 *
 * @returns bytes a second, read and written together
 */
export async function measureCopy(): Promise<number> {
  const isSlow = await withCopyOf(FEW, async (copy) => {
    await timeOnce(copy);
    return (await timeOnce(copy)) > SLOW_MS;
  });
  const values = isSlow ? FEW : MANY;
  const [samples] = await withCopyOf(values, (copy) => takeSamples([timerOf(copy)], TIME_MS, () => undefined));
  return (2 * 4 * values) / (median(samples) / 1000);
}

async function withCopyOf<T>(values: number, f: (copy: Run) => Promise<T>): Promise<T> {
  const x = range(0, values);
  try {
    return await f(() => tidy(() => mul<Tensor>(x, 2)));
  } finally {
    x.dispose();
  }
}
