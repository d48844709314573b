import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import '@saccade/wasm-train';

/** A shape and the values of a tensor, as they leave a backend. */
export interface Values {
  readonly shape: number[];
  readonly data: Float32Array;
}

/** What `compute` gives on a backend. */
export async function on(backend: string, compute: () => tf.Tensor[]): Promise<Values[]> {
  await tf.setBackend(backend);
  const results = tf.tidy(compute);
  const read = await Promise.all(results.map(async (tensor) => ({ shape: tensor.shape, data: (await tensor.data<'float32'>()).slice() })));
  tf.dispose(results);
  return read;
}

/** Expects the same shapes and values, but for rounding. */
export function expectSame(actual: Values[], expected: Values[], what: string): void {
  expect(
    actual.map(({ shape }) => shape),
    what,
  ).toEqual(expected.map(({ shape }) => shape));
  actual.forEach(({ data }, i) => {
    const reference = expected[i].data;
    const scale = reference.reduce((max, value) => Math.max(max, Math.abs(value)), 1);
    const strange = data.findIndex((value, j) => !(Math.abs(value - reference[j]) <= 2e-5 * scale));
    expect(strange, `${what}: result ${i} is ${data[strange]} where ${reference[strange]} is expected`).toBe(-1);
  });
}

/** Expects that wasm computes what cpu computes. */
export async function expectWasmLikeCpu(compute: () => tf.Tensor[], what: string): Promise<void> {
  const expected = await on('cpu', compute);
  expectSame(await on('wasm', compute), expected, what);
}

/** Values in (−1, 1), the same ones for the same seed. */
export function values<T extends tf.Tensor>(shape: T['shape'], seed: number): T {
  const random = randomNumbers(seed);
  const data = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random() * 2 - 1);
  return tf.tensor(data, shape) as T;
}

/** A seeded generator of numbers in [0, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed * 2654435761;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
