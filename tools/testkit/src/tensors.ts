import type { AnyBlock } from '@saccade/core';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/** Normal values, the same for the same shape and seed. */
export function random(shape: readonly number[], seed = 1): tf.Tensor {
  return tf.randomNormal([...shape], 0, 1, 'float32', seed);
}

export interface RandomiseOptions {
  /** Default: 1. */
  readonly seed?: number;
  /** Says of initial values that they stay. Default: none do. */
  readonly keep?: (initial: readonly number[]) => boolean;
}

/** Gives every learned weight random values, so that nothing hides behind an initial zero. */
export function randomiseWeights(layer: AnyBlock, { seed = 1, keep }: RandomiseOptions = {}): void {
  for (const [i, weight] of layer.trainableWeights.entries()) {
    if (keep?.(Array.from(weight.read().dataSync()))) continue;
    const value = tf.tidy(() => tf.mul(random(weight.shape as number[], seed + i), 0.5));
    weight.write(value);
    value.dispose();
  }
}

/** Gives the batch norms of a layer moving statistics that are not those of a new layer. */
export function randomiseStatistics(layer: AnyBlock): void {
  for (const [i, weight] of layer.nonTrainableWeights.entries()) {
    const value = tf.tidy(() => tf.add(tf.abs(random(weight.shape as number[], 50 + i)), 0.5));
    weight.write(value);
    value.dispose();
  }
}

/** Expects equal shapes, and values that differ by at most `tolerance` of max(1, max|expected|). */
export async function closeTo(actual: tf.Tensor, expected: tf.Tensor, tolerance = 1e-5): Promise<void> {
  expect(actual.shape).toEqual(expected.shape);
  const [a, b] = await Promise.all([actual.data(), expected.data()]);
  const gaps = Array.from(b, (value, i) => Math.abs(a[i] - value));
  const peak = Array.from(b).reduce((peak, value) => Math.max(peak, Math.abs(value)), 1);
  // NaN is not less than anything.
  const wrong = gaps.findIndex((gap) => !(gap <= tolerance * peak));
  expect(wrong, wrong < 0 ? '' : `value ${wrong} is ${a[wrong]}, but must be ${b[wrong]}`).toBe(-1);
}
