import { jointLogits, tanh, type ChannelTerms } from '@saccade/core';
import { closeTo, onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectSame, normal, type Operation } from './plain.ts';

onEachBackend((backend) => {
  const tolerance = backend === 'webgpu' ? { value: 1e-4, gradient: 1e-3 } : { value: 1e-5, gradient: 1e-4 };
  const shapes = [
    [[1, 5, 3], 7],
    [[3, 4], 16],
    [[2, 3, 1, 5], 4],
  ] as const;

  test.each(shapes)('joins attention over positions %j with that over %i channels', async (shape, channels) => {
    const [spatial, ...terms] = [normal([...shape], 1), normal([shape[0], channels], 2), normal([shape[0], channels], 3)];
    const wide = (x: tf.Tensor) => tf.reshape(x, [...shape, 1]);
    const each = (x: tf.Tensor) => tf.reshape(x, [shape[0], ...shape.slice(1).map(() => 1), channels]);
    const ours =
      (name: (...terms: tf.Tensor2D[]) => ChannelTerms): Operation =>
      (spatial, ...terms) =>
        jointLogits(spatial, name(...(terms as tf.Tensor2D[])));
    await expectSame(
      ours((factor, offset) => ({ factor, offset })),
      (s, f, o) => tf.add(tf.mul(wide(s), each(f)), each(o)),
      [spatial, ...terms],
      tolerance,
    );
    await expectSame(
      ours((factor) => ({ factor })),
      (s, f) => tf.mul(wide(s), each(f)),
      [spatial, terms[0]],
      tolerance,
    );
    await expectSame(
      ours((offset) => ({ offset })),
      (s, o) => tf.add(wide(s), each(o)),
      [spatial, terms[1]],
      tolerance,
    );
  });

  test('tanh, far out too, and its gradient', async () => {
    await expectSame(tanh, tf.tanh, [normal([3, 5, 7], 1)], tolerance);
    await closeTo(tanh(tf.tensor1d([-200, -1, 0, 1e-3, 200])), tf.tensor1d([-1, -0.761594, 0, 1e-3, 1]), 1e-6);
  });

  test('leaves no tensor behind, outside tf.tidy neither', () => {
    const [spatial, factor] = [tf.ones([2, 3, 5]), tf.ones([2, 4]) as tf.Tensor2D];
    for (const use of [() => jointLogits(spatial, { factor, offset: factor }), () => tanh(spatial)]) {
      const before = tf.memory().numTensors;
      tf.dispose(use());
      expect(tf.memory().numTensors).toBe(before);
    }
  });
});
