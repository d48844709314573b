import { attend, relativeLogits, WeightScope, type Weight } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { closeTo, onEachBackend, random } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectSame, normal, type Operation } from './plain.ts';

interface Created {
  readonly positions: parts.RelativePositions;
  readonly weights: { readonly height: tf.Tensor2D; readonly width: tf.Tensor2D };
}

function created(height: number, width: number, channels: number, options?: parts.RelativePositionsOptions): Created {
  const weights: Record<string, tf.Tensor> = {};
  const scope = new WeightScope(({ path, shape, initializer }): Weight => {
    weights[path] = initializer.apply(shape);
    return { read: () => weights[path], write: () => undefined };
  });
  const positions = parts.relativePositions(scope, [height, width], channels, options);
  return { positions, weights: weights as unknown as Created['weights'] };
}

test('relativePositions attends by the distance from the query to the key', async () => {
  const { positions, weights } = created(3, 5, 4, { scale: 2 });
  const [q, k, v] = [1, 2, 3].map((seed) => random([2, 15, 4], seed) as tf.Tensor3D);
  // The query in row 2, column 1.
  const query = tf.slice(q, [0, 11, 0], [-1, 1, -1]);
  const products = (table: tf.Tensor, from: number, size: number) =>
    tf.matMul(query, tf.reshape(tf.tile(tf.slice(table, [from, 0], [size, -1]), [2, 1]), [2, size, 4]), false, true);
  const [rows, columns] = [products(weights.height, 3 - 1 - 2, 3), products(weights.width, 5 - 1 - 1, 5)];
  const bias = tf.reshape(tf.add(tf.reshape(rows, [2, 3, 1]), tf.reshape(columns, [2, 1, 5])), [2, 1, 15]);
  const weightsOfQuery = tf.softmax(tf.add(tf.matMul(query, k, false, true), tf.mul(bias, 2)));
  await closeTo(positions.rows(q, k, [11]), weightsOfQuery);
  await closeTo(tf.slice(positions.attend(q, k, v), [0, 11, 0], [-1, 1, -1]), tf.matMul(weightsOfQuery, v));
});

test('relativePositions counts the products of queries and both tables', () => {
  expect(created(3, 5, 4).positions.macs(7)).toBe(7 * 4 * (5 + 9));
});

test('relativePositions starts with the standard deviation 1/√channels', () => {
  const { mean, variance } = tf.moments(tf.concat(Object.values(created(40, 40, 64).weights)));
  expect(Math.abs(mean.dataSync()[0])).toBeLessThan(0.01);
  expect(Math.sqrt(variance.dataSync()[0])).toBeCloseTo(1 / 8, 2);
});

onEachBackend((backend) => {
  // So many positions that wasm and cpu attend in one image at a time; a GPU would only with far more.
  test.skipIf(backend === 'webgpu')('image by image, relativePositions attends as in all at once, and so do its gradients', async () => {
    const [height, width] = [2, 140];
    const [q, k, v] = [1, 2, 3].map((seed) => normal([2, height * width, 2], seed));
    const tables = [normal([2 * height - 1, 2], 4), normal([2 * width - 1, 2], 5)];
    const ours: Operation = (q, k, v, ofHeight, ofWidth) => {
      const scope = new WeightScope(({ path }): Weight => ({ read: () => (path === 'height' ? ofHeight : ofWidth), write: () => undefined }));
      return parts.relativePositions(scope, [height, width], 2).attend(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D);
    };
    const whole: Operation = (q, k, v, ofHeight, ofWidth) => {
      const bias = relativeLogits(q as tf.Tensor3D, [height, width], { height: ofHeight as tf.Tensor2D, width: ofWidth as tf.Tensor2D });
      return attend(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D, { bias });
    };
    await expectSame(ours, whole, [q, k, v, ...tables]);
  });
});
