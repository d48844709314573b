import { useBackend } from '@saccade/backends';
import { stripAvgPool } from '@saccade/core';
import { closeTo, random } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { test } from 'vitest';

test('the mean over the height of a map with 2¹⁴ values a row, which would overflow the stack of wasm', async () => {
  await useBackend('wasm');
  const x = random([1, 9, 64, 256]) as tf.Tensor4D;
  await closeTo(stripAvgPool(x, 'height'), tf.mean(x, 1), 1e-6);
});
