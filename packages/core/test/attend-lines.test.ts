import { attendLines, attendsLines, type DistanceAttention } from '@saccade/core';
import { useBackend } from '@saccade/backends';
import { withGuards } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectSameValue, normal, toTensor, type Operation } from './plain.ts';

interface Sizes {
  readonly map: readonly [images: number, height: number, width: number];
  readonly heads: number;
  readonly depth: number;
  readonly values: number;
  readonly axis: 1 | 2;
}

const CASES: [title: string, Sizes][] = [
  ['columns', { map: [2, 11, 3], heads: 2, depth: 3, values: 8, axis: 1 }],
  ['rows', { map: [2, 3, 16], heads: 3, depth: 8, values: 20, axis: 2 }],
  ['columns of one position', { map: [1, 1, 5], heads: 2, depth: 1, values: 12, axis: 1 }],
  ['a single row longer than any tile', { map: [1, 1, 33], heads: 1, depth: 5, values: 36, axis: 2 }],
];

describe('on wasm', () => {
  beforeAll(() => useBackend('wasm'));
  afterAll(() => useBackend('cpu'));

  test.each(CASES)('attendLines attends along %s', (_, sizes) => expectSameValue(ours(sizes), plain(sizes), shapesOf(sizes).map(normal), 1e-5));

  test.each(CASES)('attendLines neither reads nor writes out of bounds along %s', (_, sizes) =>
    withGuards(async () => {
      const inputs = shapesOf(sizes).map((shape, i) => toTensor(normal(shape, i)));
      const y = ours(sizes)(...inputs);
      expect((await y.data()).every(Number.isFinite)).toBe(true);
      tf.dispose([y, ...inputs]);
    }),
  );

  test('attendLines leaves to others what it has no gradient for, and heads of few values', () => {
    const sizes: Sizes = { map: [1, 3, 2], heads: 1, depth: 2, values: 4, axis: 1 };
    const inputs = shapesOf(sizes).map((shape, i) => toTensor(normal(shape, i)));
    expect(attendsLines()).toBe(true);
    expect(attendLines(named(inputs), 1)).toBeUndefined();
    const gradient = tf.grad((x) => {
      expect(attendsLines()).toBe(false);
      return tf.square(x);
    })(tf.scalar(1));
    tf.dispose([gradient, ...inputs]);
  });
});

test('attendLines is not for other backends', () => {
  expect(attendsLines()).toBe(false);
});

function shapesOf({ map, heads, depth, values, axis }: Sizes): number[][] {
  const distances = 2 * map[axis] - 1;
  return [
    [...map, heads * depth],
    [...map, heads * depth],
    [...map, heads * values],
    [distances, depth],
    [distances, depth],
    [distances, heads, values],
    [3 * heads],
    [heads * values],
  ];
}

function named([q, k, v, query, key, value, factors, valueFactors]: tf.Tensor[]): DistanceAttention {
  return { q, k, v, query, key, value, factors, valueFactors } as DistanceAttention;
}

function ours({ axis }: Sizes): Operation {
  return (...inputs) => attendLines(named(inputs), axis)!;
}

/** As equation 4 of the paper says, each pair of positions of all lines by itself. */
function plain({ heads, axis }: Sizes): Operation {
  return (...inputs) => {
    const { q, k, v, query, key, value, factors, valueFactors } = named(inputs);
    const length = q.shape[axis];
    // [lines, heads, L, channels]
    const order = axis === 1 ? [0, 2, 3, 1, 4] : [0, 1, 3, 2, 4];
    const lines = (x: tf.Tensor4D) => {
      const parted = tf.transpose(tf.reshape(x, [...x.shape.slice(0, 3), heads, -1]), order);
      return tf.reshape(parted, [-1, heads, length, x.shape[3] / heads]);
    };
    const distances = Array.from({ length: length ** 2 }, (_, i) => (i % length) - Math.floor(i / length) + length - 1);
    const pairs = (table: tf.Tensor, order: number[]) => tf.gather(table, tf.tensor1d(order, 'int32'));
    const [ofQuery, ofKey] = [
      pairs(query, distances),
      pairs(
        key,
        distances.map((distance) => 2 * length - 2 - distance),
      ),
    ].map((x) => tf.reshape(x, [1, 1, length, length, -1]));
    const [queries, keys, values] = [lines(q), lines(k), lines(tf.mul(v, valueFactors))];
    const [byContent, byQuery, byKey] = tf.unstack(tf.reshape(factors, [3, heads])).map((x) => tf.reshape(x, [1, heads, 1, 1]));
    const logits = tf.addN([
      tf.mul(tf.matMul(queries, keys, false, true), byContent),
      tf.mul(tf.sum(tf.mul(tf.expandDims(queries, 3), ofQuery), -1), byQuery),
      tf.mul(tf.sum(tf.mul(tf.expandDims(keys, 2), ofKey), -1), byKey),
    ]);
    const weights = tf.softmax(logits);
    const atDistances = tf.transpose(tf.reshape(pairs(value, distances), [length, length, heads, -1]), [2, 0, 1, 3]); // [heads, L, L, E]
    const retrieved = tf.sum(tf.mul(tf.expandDims(weights, 4), tf.expandDims(atDistances, 0)), 3);
    const y = tf.add(tf.matMul(weights, values), retrieved); // [lines, heads, L, E]
    const [images, height, width] = q.shape;
    const back = tf.reshape(y, axis === 1 ? [images, width, heads, height, -1] : [images, height, heads, width, -1]);
    return tf.reshape(tf.transpose(back, axis === 1 ? [0, 3, 1, 2, 4] : [0, 1, 3, 2, 4]), v.shape);
  };
}
