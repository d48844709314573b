import { useBackend, type NodeBackendName } from '@saccade/backends';
import {
  attentionPool,
  BlockError,
  channelPools,
  globalPools,
  globalStdPool,
  momentsOf,
  positionWeightedPool,
  softmaxPool,
  stripPools,
  sumOverPositions,
  type PoolKind,
} from '@saccade/core';
import { closeTo, onEachBackend, withGuards } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { evaluate, expectSame, normal, toTensor, type Input, type Operation } from './plain.ts';

const ALL: PoolKind[][] = [['avg'], ['max'], ['avg', 'max'], ['max', 'avg']];
// Each is a shader of its own, and takes its time to compile.
const KINDS: Record<NodeBackendName, PoolKind[][]> = { cpu: ALL, wasm: ALL, webgpu: [['max', 'avg']] };
const PLAIN = { avg: tf.mean, max: tf.max } as const;

/** tf's poolings over some axes, one after the other. */
const together = (kinds: PoolKind[], axes: number[]): Operation => {
  return (x) => tf.stack(kinds.map((kind) => PLAIN[kind](x, axes)));
};
const positionAxes = (shape: number[]): number[] => shape.slice(1, -1).map((_, i) => i + 1);

/** Sides of maps, and channels, that leave a rest of everything that a kernel takes at a time; and enough positions of few channels to be folded. */
const SHAPES: Record<NodeBackendName, number[][]> = {
  cpu: [[2, 3, 5, 6]],
  wasm: [
    [1, 1, 1, 1],
    [2, 3, 5, 3],
    [3, 9, 8, 17],
    [2, 31, 29, 1],
    [2, 15, 16, 6],
    [1, 17, 15, 64],
    [2, 13, 33],
  ],
  webgpu: [
    [2, 3, 5, 3],
    [3, 9, 8, 20],
  ],
};

onEachBackend((backend) => {
  const tolerance = backend === 'webgpu' ? { value: 1e-4, gradient: 1e-3 } : { value: 1e-5, gradient: 1e-4 };
  const shapes = SHAPES[backend].map((shape) => [shape]);
  // On WebGPU, so many positions of so few channels are pooled in parts first.
  const andLarge = [...shapes, [[1, 37, 31, 13]]];

  test.each(andLarge)('globalPools of %j', async (shape) => {
    for (const kinds of KINDS[backend])
      await expectSame((x) => globalPools(x, kinds), together(kinds, positionAxes(shape)), [normal(shape, 1)], tolerance);
  });

  test.each(shapes.filter(([shape]) => shape.length === 4))('stripPools of %j', async (shape) => {
    for (const kinds of KINDS[backend]) {
      const plain: Operation = (x) => tf.concat([together(kinds, [2])(x), together(kinds, [1])(x)], 2);
      await expectSame((x) => stripPools(x as tf.Tensor4D, kinds), plain, [normal(shape, 2)], tolerance);
    }
  });

  test.each(shapes)('channelPools of %j, with and without a gate', async (shape) => {
    const gateShape = [shape[0], shape.at(-1)!];
    const aligned = [shape[0], ...positionAxes(shape).map(() => 1), shape.at(-1)!];
    for (const kinds of KINDS[backend]) {
      const plain = together(kinds, [shape.length - 1]);
      await expectSame((x) => channelPools(x, kinds), plain, [normal(shape, 3)], tolerance);
      const gated: Operation = (x, gate) => channelPools(x, kinds, gate as tf.Tensor2D);
      await expectSame(gated, (x, gate) => plain(tf.mul(x, tf.reshape(gate, aligned))), [normal(shape, 3), normal(gateShape, 4)], tolerance);
    }
  });

  // The shader for single channels is in the next test; the gradient's take long to compile.
  test.each(backend === 'webgpu' ? shapes.slice(1) : shapes)('softmaxPool of %j, with and without a bias', async (shape) => {
    const [images, channels] = [shape[0], shape.at(-1)!];
    const plain: Operation = (x, kernel, bias) => {
      const rows = tf.reshape(x, [images, -1, channels]);
      const logits = tf.sum(tf.mul(rows, tf.reshape(kernel, [1, 1, channels])), 2, true);
      return tf.sum(tf.mul(rows, tf.transpose(tf.softmax(tf.transpose(bias ? tf.add(logits, bias) : logits, [0, 2, 1])), [0, 2, 1])), 1);
    };
    const ours: Operation = (x, kernel, bias) => softmaxPool(x, kernel as tf.Tensor2D, bias as tf.Tensor1D | undefined);
    if (backend !== 'webgpu') await expectSame(ours, plain, [normal(shape, 5), normal([channels, 1], 6)], tolerance);
    await expectSame(ours, plain, [normal(shape, 5), normal([channels, 1], 6), normal([1], 7)], tolerance);
  });

  test('softmaxPool neither overflows nor underflows', async () => {
    const shape = [1, 40, 20, 3];
    // Logits that rise and fall by thousands from one end to the other.
    const values = new Float32Array(2400).map((_, i) => [i - 1200, 1200 - i, 1][i % 3]);
    const kernel: Input = { shape: [3, 1], values: Float32Array.of(3, -2, 5) };
    const plain: Operation = (x, kernel) =>
      tf.matMul(tf.softmax(tf.reshape(tf.matMul(tf.reshape(x, [-1, 3]), kernel as tf.Tensor2D), [1, -1])), tf.reshape(x, [-1, 3]));
    const { y } = await evaluate((x, kernel) => softmaxPool(x, kernel as tf.Tensor2D), [{ shape, values }, kernel]);
    const [expected, actual] = [tf.tidy(() => plain(toTensor({ shape, values }), toTensor(kernel))), toTensor(y)];
    await closeTo(actual, expected, 1e-5);
    tf.dispose([expected, actual]);
  });

  test.each(shapes)('the weighted sums of %j', async (shape) => {
    const [images, positions, channels] = [shape[0], shape.slice(1, -1).reduce((a, b) => a * b), shape.at(-1)!];
    const weighted: Operation = (x, weights) => tf.sum(tf.mul(tf.reshape(x, [images, positions, channels]), tf.expandDims(weights, 2)), 1);
    await expectSame(
      (x, weights) => attentionPool(x, weights as tf.Tensor2D),
      weighted,
      [normal(shape, 8), normal([images, positions], 9)],
      tolerance,
    );
    const each: Operation = (x, weights) => tf.sum(tf.mul(x, weights), positionAxes(shape));
    await expectSame(positionWeightedPool, each, [normal(shape, 8), normal(shape.slice(1), 9)], tolerance);
    await expectSame(sumOverPositions, (x) => tf.sum(x, [0, ...positionAxes(shape)]), [normal(shape, 8)], tolerance);
  });

  // Means far larger than the deviations, and a first value far from all others.
  test.each(andLarge)('the moments of %j keep their accuracy where means are large', async (shape) => {
    const { values } = normal(shape, 10);
    const channels = shape.at(-1)!;
    const shifted = values.map((value, i) => (i < channels ? -500 : value + 3000 + 7 * (i % channels)));
    const { means, variances } = momentsIn64Bits(shifted, channels);
    const x = toTensor({ shape, values: shifted });
    const { mean, variance } = momentsOf(x);
    (await mean.data()).forEach((value, i) => expect(Math.abs(value / means[i] - 1)).toBeLessThan(1e-6));
    (await variance.data()).forEach((value, i) => expect(Math.abs(value - variances[i])).toBeLessThanOrEqual(1e-4 * variances[i]));
    tf.dispose([x, mean, variance]);
  });

  test('the deviation of a map far from 0', async () => {
    const shape = [2, 23, 19, 5];
    const { values } = normal(shape, 11);
    const shifted = values.map((value, i) => value + 3000 + 7 * (i % 5));
    const x = toTensor({ shape, values: shifted });
    const y = globalStdPool(x);
    const images = [0, 1].map((i) => momentsIn64Bits(shifted.subarray((i * values.length) / 2, ((i + 1) * values.length) / 2), 5));
    const expected = images.flatMap(({ variances }) => variances.map(Math.sqrt));
    (await y.data()).forEach((value, i) => expect(Math.abs(value / expected[i] - 1)).toBeLessThan(1e-4));
    tf.dispose([x, y]);
  });
});

function momentsIn64Bits(values: Float32Array, channels: number) {
  const count = values.length / channels;
  const meanOf = (value: (x: number, c: number) => number) => {
    const sums = Array.from({ length: channels }, () => 0);
    for (const [i, x] of values.entries()) sums[i % channels] += value(x, i % channels) / count;
    return sums;
  };
  const means = meanOf((x) => x);
  return { means, variances: meanOf((x, c) => (x - means[c]) ** 2) };
}

test('what does not fit is refused', () => {
  const x = tf.zeros<tf.Rank.R4>([2, 3, 4, 5]);
  expect(() => globalPools(x, [])).toThrow(
    new BlockError("globalPools: got the kinds [], expects 'avg', 'max' or both. Name at least one, and each once."),
  );
  expect(() => stripPools(x, ['avg', 'avg'])).toThrow('got the kinds ["avg","avg"]');
  expect(() => channelPools(x, ['max'], tf.zeros([2, 4]))).toThrow(
    new BlockError('channelPools: a gate of shape [2, 4] does not fit a map of shape [2, 3, 4, 5]. Give [2, 5].'),
  );
  expect(() => attentionPool(x, tf.zeros([1, 12]))).toThrow(
    'attentionPool: attention of shape [1, 12] does not fit a map of shape [2, 3, 4, 5]. Give [2, 12].',
  );
  expect(() => softmaxPool(x, tf.zeros([4, 1]))).toThrow(
    'softmaxPool: a kernel of shape [4, 1] does not fit a map of shape [2, 3, 4, 5]. Give [5, 1].',
  );
});

describe('on wasm', () => {
  beforeAll(() => useBackend('wasm'));
  afterAll(() => useBackend('cpu'));

  test.each(SHAPES.wasm.map((shape) => [shape]))('nothing is read or written out of bounds by pooling %j', async (shape) => {
    const [images, positions, channels] = [shape[0], shape.slice(1, -1).reduce((a, b) => a * b), shape.at(-1)!];
    const inputs = [shape, [images, channels], [channels, 1], [images, positions], shape.slice(1)];
    const operations = (x: tf.Tensor, gate: tf.Tensor, kernel: tf.Tensor, attention: tf.Tensor, weights: tf.Tensor) => [
      ...ALL.flatMap((kinds) => [globalPools(x, kinds), channelPools(x, kinds), channelPools(x, kinds, gate as tf.Tensor2D)]),
      ...ALL.flatMap((kinds) => (x.rank === 4 ? [stripPools(x as tf.Tensor4D, kinds)] : [])),
      globalStdPool(x),
      softmaxPool(x, kernel as tf.Tensor2D),
      attentionPool(x, attention as tf.Tensor2D),
      positionWeightedPool(x, weights),
      sumOverPositions(x),
    ];
    await withGuards(async () => {
      const tensors = inputs.map((shape, i) => toTensor(normal(shape, i)));
      const results = operations(...(tensors as Parameters<typeof operations>));
      for (const y of results) expect((await y.data()).every(Number.isFinite)).toBe(true);
      tf.dispose([...results, ...tensors]);
    });
  });

  test('each pooling is one kernel', async () => {
    const x = tf.ones<tf.Rank.R4>([2, 5, 6, 8]);
    const [gate, kernel, attention] = [tf.ones<tf.Rank.R2>([2, 8]), tf.ones<tf.Rank.R2>([8, 1]), tf.ones<tf.Rank.R2>([2, 30])];
    const { kernelNames } = await tf.profile(() => {
      const both = ['avg', 'max'] as const;
      return [globalPools(x, both), stripPools(x, both), channelPools(x, both, gate), softmaxPool(x, kernel), attentionPool(x, attention)];
    });
    // What is no kernel has no name.
    expect(kernelNames.filter(Boolean)).toEqual([
      'SaccadePool',
      'SaccadeStripPools',
      'SaccadeChannelPools',
      'SaccadeSoftmaxPool',
      'SaccadeWeightedPool',
    ]);
    tf.dispose([x, gate, kernel, attention]);
  });
});
