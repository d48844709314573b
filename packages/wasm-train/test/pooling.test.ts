import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '@saccade/backends';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectWasmLikeCpu, values } from './compare.ts';

type Pool = typeof tf.maxPool | typeof tf.avgPool;

beforeAll(async () => {
  await useBackend('cpu');
  await useBackend('wasm');
});

function gradientOf(pool: Pool, x: tf.Tensor4D, size: [number, number], strides: [number, number], pad: 'same' | 'valid' | number): tf.Tensor[] {
  const run = (x: tf.Tensor): tf.Tensor => pool(x as tf.Tensor4D, size, strides, pad);
  return [tf.grad(run)(x, values(run(x).shape, 2))];
}

describe.each([
  { name: 'maxPool', pool: tf.maxPool },
  { name: 'avgPool', pool: tf.avgPool },
])('the gradient of $name', ({ pool }) => {
  test('equals the cpu backend’s for each window, stride and padding', async () => {
    for (const pad of ['same', 'valid', 1] as const) {
      for (const size of [2, 3]) {
        for (const stride of [1, 2, 3]) {
          await expectWasmLikeCpu(
            () => gradientOf(pool, values([2, 7, 9, 5], 1), [size, size], [stride, stride], pad),
            JSON.stringify({ size, stride, pad }),
          );
        }
      }
    }
  });

  test('equals the cpu backend’s for windows that are not square', async () => {
    await expectWasmLikeCpu(() => gradientOf(pool, values([1, 7, 9, 3], 1), [2, 4], [3, 1], 'same'), 'not square');
  });

  test('equals the cpu backend’s where nothing is positive and much is equal', async () => {
    await expectWasmLikeCpu(
      () => gradientOf(pool, tf.neg(tf.round(tf.mul<tf.Tensor4D>(tf.abs(values([2, 6, 6, 3], 1)), 2))), [3, 3], [2, 2], 'same'),
      'negative',
    );
  });
});

test('a gradient that does not fit the pooling is refused', async () => {
  await tf.setBackend('wasm');
  const attrs = { filterSize: [2, 2], strides: [2, 2], pad: 'valid' };
  const input = tf.ones([1, 4, 4, 1]);
  const dy = tf.ones([1, 3, 3, 1]);
  for (const kernel of ['MaxPoolGrad', 'AvgPoolGrad']) {
    expect(() => tf.engine().runKernel(kernel, { dy, input, output: dy }, attrs)).toThrow(
      `${kernel} on wasm: received a gradient of shape [1, 3, 3, 1], expected [1, 2, 2, 1], the output’s for an input of [1, 4, 4, 1]. Give the filterSize, strides and pad of the forward pooling.`,
    );
  }
});
