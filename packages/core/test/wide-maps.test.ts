import { useBackend } from '@saccade/backends';
import { globalAvgPool, stripAvgPool, sumOverPositions } from '@saccade/core';
import { closeTo, random } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, test } from 'vitest';

// Values beside each other that XNNPACK would keep a sum of each for, on a stack that is too small for them.
describe('on wasm, maps with 2¹⁴ values and more a row', () => {
  beforeAll(async () => {
    await useBackend('wasm');
  });

  test('have the right mean over their height', async () => {
    const x = random([1, 9, 64, 256]) as tf.Tensor4D;
    await closeTo(stripAvgPool(x, 'height'), tf.mean(x, 1), 1e-6);
  });

  test.each([16_384, 2 * 16_411, 49_152])('have the right mean and sum over positions: %i channels', async (channels) => {
    const x = random([2, 12, channels]);
    await closeTo(globalAvgPool(x), tf.mean(x, 1), 1e-6);
    await closeTo(sumOverPositions(x), tf.sum(x, [0, 1]), 1e-5);
  });
});
