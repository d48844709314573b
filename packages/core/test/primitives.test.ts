import type { NodeBackendName } from '@saccade/backends';
import {
  ACTIVATIONS,
  affine,
  attend,
  attentionPool,
  attentionRows,
  batchNormInference,
  batchNormTraining,
  channelAvgPool,
  channelMaxPool,
  GATES,
  globalAvgPool,
  globalLogSumExpPool,
  globalLpPool,
  globalMaxPool,
  globalStdPool,
  layerNorm,
  linear,
  matMul,
  momentsOf,
  scale,
  stripAvgPool,
  stripMaxPool,
  sumOverPositions,
  transposeLast,
} from '@saccade/core';
import { closeTo, onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { evaluate, expectSame, normal, toTensor, type Input, type Operation } from './plain.ts';

// WebGPU may be software here: shapes that reach each path, and no more.
const SHAPES: Record<NodeBackendName, number[][]> = {
  cpu: [
    [1, 3, 5, 3],
    [3, 7, 4, 20],
    [1, 1, 6, 33],
    [3, 5, 1, 16],
    [1, 1, 1, 1],
    [3, 7, 3],
    [1, 11, 64],
    [3, 2, 3, 5, 16],
    [1, 3, 1, 2, 33],
  ],
  wasm: [
    [1, 3, 5, 3],
    [3, 7, 4, 20],
    [1, 1, 6, 33],
    [3, 5, 1, 16],
    [1, 9, 13, 64],
    [1, 1, 1, 1],
    [3, 7, 3],
    [1, 11, 64],
    [3, 2, 3, 5, 16],
    [1, 3, 1, 2, 33],
  ],
  webgpu: [
    [1, 3, 5, 3],
    [3, 7, 4, 20],
    [1, 1, 6, 33],
    [3, 5, 1, 16],
    [3, 7, 3],
    [3, 2, 3, 5, 16],
  ],
};

const positionAxes = (x: tf.Tensor): number[] => x.shape.slice(1, -1).map((_, i) => i + 1);
const centred = (x: tf.Tensor): tf.Tensor => tf.sub(x, tf.mean(x, positionAxes(x), true));

const POOLS: Record<string, { ours: Operation; plain: Operation; only4D?: true }> = {
  globalAvgPool: { ours: globalAvgPool, plain: (x) => tf.mean(x, positionAxes(x)) },
  globalMaxPool: { ours: globalMaxPool, plain: (x) => tf.max(x, positionAxes(x)) },
  globalStdPool: {
    ours: globalStdPool,
    plain: (x) =>
      x.size > x.shape[0] * x.shape.at(-1)! ? tf.sqrt(tf.mean(tf.square(centred(x)), positionAxes(x))) : tf.sum(tf.mul(x, 0), positionAxes(x)),
  },
  globalL2Pool: { ours: (x) => globalLpPool(x), plain: (x) => tf.sqrt(tf.sum(tf.square(x), positionAxes(x))) },
  globalL1Pool: { ours: (x) => globalLpPool(x, 1), plain: (x) => tf.sum(tf.abs(x), positionAxes(x)) },
  globalL3Pool: { ours: (x) => globalLpPool(x, 3), plain: (x) => tf.pow(tf.sum(tf.mul(tf.abs(x), tf.square(x)), positionAxes(x)), 1 / 3) },
  globalLogSumExpPool: { ours: globalLogSumExpPool, plain: (x) => tf.logSumExp(x, positionAxes(x)) },
  sumOverPositions: { ours: sumOverPositions, plain: (x) => tf.sum(x, [0, ...positionAxes(x)]) },
  channelAvgPool: { ours: channelAvgPool, plain: (x) => tf.mean(x, x.rank - 1) },
  channelMaxPool: { ours: channelMaxPool, plain: (x) => tf.max(x, x.rank - 1) },
  'stripAvgPool over height': { ours: (x) => stripAvgPool(x as tf.Tensor4D, 'height'), plain: (x) => tf.mean(x, 1), only4D: true },
  'stripAvgPool over width': { ours: (x) => stripAvgPool(x as tf.Tensor4D, 'width'), plain: (x) => tf.mean(x, 2), only4D: true },
  'stripMaxPool over height': { ours: (x) => stripMaxPool(x as tf.Tensor4D, 'height'), plain: (x) => tf.max(x, 1), only4D: true },
  'stripMaxPool over width': { ours: (x) => stripMaxPool(x as tf.Tensor4D, 'width'), plain: (x) => tf.max(x, 2), only4D: true },
};

const MAX_POOLS = ['globalMaxPool', 'channelMaxPool', 'stripMaxPool over height', 'stripMaxPool over width'];

/** [shape of the map, shape of the gate, shape in which tf.mul broadcasts it] */
const GATE_SHAPES: [number[], number[], number[]][] = [
  [
    [3, 4, 5, 20],
    [3, 20],
    [3, 1, 1, 20],
  ],
  [
    [3, 4, 5, 20],
    [3, 4, 5],
    [3, 4, 5, 1],
  ],
  [
    [3, 4, 5, 20],
    [3, 4, 5, 20],
    [3, 4, 5, 20],
  ],
  [
    [3, 4, 5, 20],
    [3, 4, 1, 20],
    [3, 4, 1, 20],
  ],
  [
    [3, 4, 5, 20],
    [3, 1, 5, 20],
    [3, 1, 5, 20],
  ],
  [
    [3, 4, 5, 20],
    [3, 4, 1, 1],
    [3, 4, 1, 1],
  ],
  [
    [3, 4, 5, 20],
    [1, 20],
    [1, 1, 1, 20],
  ],
  [
    [3, 4, 5, 20],
    [1, 4, 5, 1],
    [1, 4, 5, 1],
  ],
  [
    [1, 1, 7, 33],
    [1, 33],
    [1, 1, 1, 33],
  ],
  [
    [3, 6, 1, 16],
    [3, 6, 1],
    [3, 6, 1, 1],
  ],
  [
    [3, 5, 5],
    [3, 5],
    [3, 1, 5],
  ],
  [
    [3, 7, 16],
    [3, 7, 1],
    [3, 7, 1],
  ],
  [
    [1, 2, 3, 5, 16],
    [1, 16],
    [1, 1, 1, 1, 16],
  ],
  [
    [1, 2, 3, 5, 16],
    [1, 2, 3, 5],
    [1, 2, 3, 5, 1],
  ],
  [
    [1, 2, 3, 5, 16],
    [1, 2, 1, 1, 16],
    [1, 2, 1, 1, 16],
  ],
];

onEachBackend((backend) => {
  // A GPU sums in another order, and its exp, log and pow are shorter.
  const tolerance = backend === 'webgpu' ? { value: 1e-4, gradient: 1e-3 } : { value: 1e-5, gradient: 1e-4 };

  describe.each(Object.entries(POOLS))('%s', (_, { ours, plain, only4D }) => {
    test.each(SHAPES[backend].filter((shape) => !only4D || shape.length === 4).map((shape) => [shape]))('of %j', async (shape) => {
      await expectSame(ours, plain, [normal(shape, 3)], tolerance);
    });
  });

  test.each(MAX_POOLS)('the gradient of %s goes to the first of equal values, once', async (name) => {
    for (const shape of [
      [1, 4, 6, 32],
      [3, 5, 3, 5],
    ]) {
      const ties: Input = { shape, values: new Float32Array(shape.reduce((a, b) => a * b)).fill(-2) };
      const { y, gradients } = await evaluate(POOLS[name].ours, [ties]);
      const dy = normal(y.shape, 99).values;
      const axes = name.startsWith('global') ? [1, 2] : [name.startsWith('channel') ? 3 : name.endsWith('height') ? 1 : 2];
      // All of dy at index 0 of the pooled axes.
      const first = tf.tidy(() => {
        const begin = toTensor({ shape: shape.map((size, axis) => (axes.includes(axis) ? 1 : size)), values: dy });
        return tf.pad(
          begin,
          shape.map((size, axis) => [0, axes.includes(axis) ? size - 1 : 0]),
        );
      });
      await closeTo(toTensor(gradients[0]), first, 0);
    }
  });

  test('globalStdPool of a constant channel is 0, and so is its gradient', async () => {
    const shape = [2, 57, 31, 4];
    const values = new Float32Array(2 * 57 * 31 * 4).map((_, i) => [0.1, 1e4 / 3, -7e-5, 0][i % 4]);
    const { y, gradients } = await evaluate(globalStdPool, [{ shape, values }]);
    expect(y.values.every((value) => value === 0)).toBe(true);
    expect(gradients[0].values.every((value) => value === 0)).toBe(true);
  });

  test.each([1, 2, 3])('globalLpPool of zeros is 0, and so is its gradient: p = %d', async (p) => {
    const { y, gradients } = await evaluate((x) => globalLpPool(x, p), [{ shape: [1, 3, 5, 2], values: new Float32Array(30) }]);
    // SwiftShader's 0^(1/3) is 2e-13.
    expect(y.values.every((value) => Math.abs(value) < 1e-12)).toBe(true);
    expect(gradients[0].values.every((value) => value === 0)).toBe(true);
  });

  test('globalLogSumExpPool neither overflows nor underflows', async () => {
    const shape = [1, 3, 3, 3];
    const values = new Float32Array(27).map((_, i) => [300 + (i % 9), -300 - (i % 9), i % 2 ? 5000 : -5000][i % 3]);
    await expectSame(globalLogSumExpPool, (x) => tf.logSumExp(x, [1, 2]), [{ shape, values }], tolerance);
  });

  test.each(GATE_SHAPES)('scale of %j by %j', async (shape, gate, aligned) => {
    const plain: Operation = (x, gate) => tf.mul(x, tf.reshape(gate, aligned));
    const ours: Operation = (x, gate) => scale(x, gate);
    await expectSame(ours, plain, [normal(shape, 5), normal(gate, 6)], tolerance);
  });

  test.each(
    [
      [1, 5, 7, 3],
      [3, 6, 2, 33],
      [3, 7, 16],
      [1, 2, 3, 2, 64],
    ].map((shape) => [shape]),
  )('attentionPool of %j', async (shape) => {
    const [batch, positions, channels] = [shape[0], shape.slice(1, -1).reduce((a, b) => a * b), shape.at(-1)!];
    const plain: Operation = (x, attention) => tf.sum(tf.mul(tf.reshape(x, [batch, positions, channels]), tf.expandDims(attention, 2)), 1);
    const ours: Operation = (x, attention) => attentionPool(x, attention as tf.Tensor2D);
    await expectSame(ours, plain, [normal(shape, 7), normal([batch, positions], 8)], tolerance);
  });

  test.each([
    [
      [5, 7],
      [7, 3],
    ],
    [
      [1, 33, 20],
      [1, 20, 17],
    ],
    [
      [3, 5, 7],
      [3, 7, 3],
    ],
    [
      [3, 17, 33],
      [3, 33, 20],
    ],
  ])('matMul of %j and %j', async (a, b) => {
    await expectSame(matMul, (a, b) => tf.matMul(a, b), [normal(a, 9), normal(b, 10)], tolerance);
  });

  test.each([
    [[1, 3, 5, 20], 6],
    [[3, 7], 6],
    [[3, 7, 16], 1],
    [[1, 1, 33], 6],
    [[3, 19, 21, 32], 1],
  ])('linear of %j to %d units, with and without a bias', async (shape, units) => {
    const [x, kernel, bias] = [normal(shape, 11), normal([shape.at(-1)!, units], 12), normal([units], 13)];
    const plain: Operation = (x, kernel) =>
      tf.reshape(tf.matMul(tf.reshape(x, [-1, kernel.shape[0]]), kernel as tf.Tensor2D), [...x.shape.slice(0, -1), units]);
    await expectSame((x, kernel) => linear(x, kernel as tf.Tensor2D), plain, [x, kernel], tolerance);
    const ours: Operation = (x, kernel, bias) => linear(x, kernel as tf.Tensor2D, bias as tf.Tensor1D);
    await expectSame(ours, (x, kernel, bias) => tf.add(plain(x, kernel), bias), [x, kernel, bias], tolerance);
  });

  test('affine', async () => {
    await expectSame(
      affine,
      (x, factor, offset) => tf.add(tf.mul(x, factor), offset),
      [normal([3, 2, 3, 5, 20], 14), normal([20], 15), normal([20], 16)],
      tolerance,
    );
  });

  test('transposeLast', async () => {
    await expectSame(transposeLast, (x) => tf.transpose(x, [0, 2, 1]), [normal([3, 5, 7], 17)], tolerance);
    await expectSame(transposeLast, (x) => tf.transpose(x), [normal([5, 7], 17)], tolerance);
  });
});

test.each([
  ['relu', [0, 0, 0, 0.5, 8]],
  ['relu6', [0, 0, 0, 0.5, 6]],
  ['silu', [-8 / (1 + Math.exp(8)), -0.5 / (1 + Math.exp(0.5)), 0, 0.5 / (1 + Math.exp(-0.5)), 8 / (1 + Math.exp(-8))]],
  ['hardSwish', [0, (-0.5 * 2.5) / 6, 0, (0.5 * 3.5) / 6, 8]],
  ['leakyRelu', [-0.08, -0.005, 0, 0.5, 8]],
  ['sigmoid', [-8, -0.5, 0, 0.5, 8].map((x) => 1 / (1 + Math.exp(-x)))],
  ['hardSigmoid', [0, 2.5 / 6, 0.5, 3.5 / 6, 1]],
] as const)('%s', async (name, expected) => {
  const f = { ...ACTIVATIONS, ...GATES }[name];
  await closeTo(f(tf.tensor1d([-8, -0.5, 0, 0.5, 8])), tf.tensor1d([...expected]), 1e-6);
});

test('scale refuses a gate that does not fit', () => {
  const gates: [number[], number[], string][] = [
    [[2, 4, 5, 6], [2, 5], '[2, 5] does not fit a map of shape [2, 4, 5, 6]'],
    [[2, 4, 5, 6], [2, 5, 4], '[2, 5, 4] does not fit a map of shape [2, 4, 5, 6]'],
    [[2, 4, 5, 6], [6], '[6] does not fit a map of shape [2, 4, 5, 6]'],
    // Of rank 2, so one a channel, even where it would fit the positions.
    [[2, 4, 6], [2, 4], '[2, 4] does not fit a map of shape [2, 4, 6]'],
    [[1, 4, 5, 6], [3, 4, 5, 6], '[3, 4, 5, 6] does not fit a map of shape [1, 4, 5, 6]'],
  ];
  for (const [x, gate, message] of gates) {
    expect(() => scale(tf.zeros(x), tf.zeros(gate))).toThrow(
      `scale: a gate of shape ${message}. Give [N, C], [N, …positions], or a shape of the same rank with 1 where the gate is shared.`,
    );
  }
});

test('no primitive leaves a tensor behind, outside tf.tidy neither', () => {
  const [x, gate, kernel, vector] = [tf.ones([2, 3, 5, 4]), tf.ones([2, 4]), tf.ones([4, 6]), tf.ones([4])] as [
    tf.Tensor4D,
    tf.Tensor2D,
    tf.Tensor2D,
    tf.Tensor1D,
  ];
  const [rows, square, positions] = [tf.ones([2, 15, 4]), tf.ones([2, 4, 4]), tf.ones([2, 15])] as [tf.Tensor3D, tf.Tensor3D, tf.Tensor2D];
  const moments = { mean: vector, variance: vector };
  const uses: Record<string, () => tf.TensorContainer> = {
    ...Object.fromEntries(Object.entries(POOLS).map(([name, { ours }]) => [name, () => ours(x)])),
    ...Object.fromEntries(Object.entries({ ...ACTIVATIONS, ...GATES }).map(([name, f]) => [name, () => f(x)])),
    scale: () => scale(x, gate),
    attentionPool: () => attentionPool(x, positions),
    linear: () => linear(x, kernel),
    matMul: () => matMul(rows, square),
    affine: () => affine(x, vector, vector),
    layerNorm: () => layerNorm(x, vector, vector, 1e-5),
    batchNormInference: () => batchNormInference(x, moments, vector, vector, 1e-5),
    batchNormTraining: () => batchNormTraining(x, moments, vector, vector, 1e-5),
    momentsOf: () => ({ ...momentsOf(x) }),
    attend: () => attend(rows, rows, rows, { scale: 2 }),
    attentionRows: () => attentionRows(rows, rows, [0], { scale: 2 }),
  };
  for (const [name, use] of Object.entries(uses)) {
    const before = tf.memory().numTensors;
    tf.dispose(use());
    expect(tf.memory().numTensors, name).toBe(before);
  }
});
