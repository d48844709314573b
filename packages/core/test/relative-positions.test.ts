import { parts, WeightScope, type Weight } from '@saccade/core';
import { closeTo, random } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';

const [HEIGHT, WIDTH, CHANNELS] = [3, 5, 4];

function created(height = HEIGHT, width = WIDTH, channels = CHANNELS): { weights: Record<string, tf.Tensor>; positions: parts.RelativePositions } {
  const weights: Record<string, tf.Tensor> = {};
  const scope = new WeightScope(({ path, shape, initializer }): Weight => {
    weights[path] = initializer.apply(shape);
    return { read: () => weights[path], write: () => undefined };
  });
  return { weights, positions: parts.relativePositions(scope, [height, width], channels) };
}

test('relativePositions embeds the distance from the query to the key', async () => {
  const { weights, positions } = created();
  const { height, width } = weights;
  expect([height.shape, width.shape]).toEqual([
    [5, 4],
    [9, 4],
  ]);
  const q = random([2, HEIGHT * WIDTH, CHANNELS]) as tf.Tensor3D;
  const { rows, columns } = positions(q);
  // The query in row 2, column 1.
  const query = tf.reshape(tf.slice(q, [0, 2 * WIDTH + 1, 0], [-1, 1, -1]), [2, CHANNELS]);
  const logits = (bias: tf.Tensor3D) => tf.squeeze(tf.slice(bias, [0, 2 * WIDTH + 1, 0], [-1, 1, -1]), [1]);
  const dot = (table: tf.Tensor, from: number, size: number) => tf.matMul(query, tf.slice(table, [from, 0], [size, -1]), false, true);
  await closeTo(logits(rows), dot(height, HEIGHT - 1 - 2, HEIGHT));
  await closeTo(logits(columns), dot(width, WIDTH - 1 - 1, WIDTH));
});

test('relativePositions counts the products of queries and both tables', () => {
  expect(created().positions.macs(7)).toBe(7 * 4 * (5 + 9));
});

test('relativePositions starts with the standard deviation 1/√channels', () => {
  const { weights } = created(40, 40, 64);
  const { mean, variance } = tf.moments(tf.concat(Object.values(weights)));
  expect(Math.abs(mean.dataSync()[0])).toBeLessThan(0.01);
  expect(Math.sqrt(variance.dataSync()[0])).toBeCloseTo(1 / 8, 2);
});
