import '@saccade/wasm-train';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import { beforeAll, expect, test } from 'vitest';

beforeAll(async () => {
  await tf.setBackend('wasm');
});

test('a clone is of the same memory, which stays until both are gone', () => {
  const x = tf.tensor([1, 2, 3]);
  const clone = tf.clone(x);
  const { numDataBuffers } = tf.memory();
  x.dispose();
  expect(tf.memory().numDataBuffers).toBe(numDataBuffers);
  expect(clone.dataSync()).toEqual(Float32Array.of(1, 2, 3));
  clone.dispose();
  expect(tf.memory().numDataBuffers).toBe(numDataBuffers - 1);
});

test('a variable keeps its value when what it was assigned from, or its clone, goes', () => {
  const value = tf.tensor([1, 2]);
  const variable = tf.variable(tf.zeros([2]));
  variable.assign(value);
  const before = tf.clone(variable);
  value.dispose();
  variable.assign(tf.tensor([3, 4]));
  expect(before.dataSync()).toEqual(Float32Array.of(1, 2));
  expect(variable.dataSync()).toEqual(Float32Array.of(3, 4));
});

test('words can be cloned, too', () => {
  expect(tf.clone(tf.tensor(['a', 'b'])).dataSync()).toEqual(['a', 'b']);
});

test('what training keeps takes no memory of its own', async () => {
  const x = tf.randomNormal([256, 256]);
  const heap = () => (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.length;
  const before = heap();
  // 40 results of a quarter of a megabyte; kept by copies, 120.
  const deep = (x: tf.Tensor) => Array.from({ length: 40 }).reduce<tf.Tensor>((h) => tf.mul(h, h), x);
  tf.grad(deep)(x).dispose();
  expect((heap() - before) / 2 ** 20).toBeLessThan(25);
});
