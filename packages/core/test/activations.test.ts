import { ACTIVATIONS } from '@saccade/core';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { test } from 'vitest';
import { expectSame, normal } from './plain.ts';

onEachBackend(() => {
  test('leakyRelu', async () => {
    await expectSame(
      (x) => ACTIVATIONS.leakyRelu(x),
      (x) => tf.leakyRelu(x, 0.01),
      [normal([2, 3, 5, 4], 1)],
    );
  });
});
