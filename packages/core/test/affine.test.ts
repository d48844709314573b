import { ACTIVATIONS, affine, convolve, WeightScope, type Activation } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { useBackend } from '@saccade/backends';
import { onEachBackend, withGuards } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectSame, expectSameValue, normal, toTensor, type Input, type Operation } from './plain.ts';

type Tensors = Readonly<Record<string, tf.Tensor | undefined>>;

// Far enough from 0 that its root does not make errors large.
const squares = (size: number): Input => ({ shape: [size], values: normal([size], 6).values.map((value) => value * value + 0.1) });
const EPSILON = 0.01;

function scopeOf(tensors: Tensors): WeightScope {
  return new WeightScope(({ path }) => ({ read: () => tensors[path] ?? expect.fail(path), write: () => expect.fail(`${path} was written`) }));
}

function normOf(tensors: [gamma: tf.Tensor, beta: tf.Tensor], activation?: Activation): parts.BatchNorm {
  const [gamma, beta] = tensors;
  const channels = gamma.size;
  const moments = { movingMean: toTensor(normal([channels], 5)), movingVariance: toTensor(squares(channels)) };
  return parts.batchNorm(scopeOf({ gamma, beta, ...moments }), channels, { epsilon: EPSILON, activation });
}

function denseOf(kernel: tf.Tensor, bias?: tf.Tensor): parts.Dense {
  const [inputs, units] = kernel.shape as [number, number];
  return parts.dense(scopeOf({ kernel, bias }), inputs, units, { useBias: bias !== undefined });
}

function plainNorm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, activation?: Activation): tf.Tensor {
  const [mean, variance] = [normal([gamma.size], 5), squares(gamma.size)].map(toTensor);
  const y = tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, EPSILON))), gamma), beta);
  return activation ? ACTIVATIONS[activation](y) : y;
}

function plainDense(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor = tf.scalar(0)): tf.Tensor {
  const [inputs, units] = kernel.shape as [number, number];
  return tf.reshape(tf.add(tf.matMul(tf.reshape(x, [-1, inputs]), kernel), bias), [...x.shape.slice(0, -1), units]);
}

// Channels that fill vectors and that do not, rows that make them do so and not, and more values than one call takes.
const MAPS: readonly [number[], Activation | undefined][] = [
  [[2, 3, 5, 8], 'hardSwish'],
  [[3, 7], 'silu'],
  [[5, 1], undefined],
  [[1, 3, 3, 2], 'relu'],
  [[4, 21], 'leakyRelu'],
  [[2, 60, 61, 3], 'relu6'],
];

onEachBackend((backend) => {
  const expectAlike = (ours: Operation, plain: Operation, inputs: Input[]) =>
    backend === 'webgpu' ? expectSameValue(ours, plain, inputs) : expectSame(ours, plain, inputs, { value: 1e-5, gradient: 2e-4 });

  test.each(backend === 'webgpu' ? MAPS.slice(0, 2) : MAPS)('batch norm of %j and %s at inference', async (shape, activation) => {
    const channels = shape.at(-1)!;
    await expectAlike(
      (x, gamma, beta) => tf.tidy(() => normOf([gamma, beta], activation)(x, false)),
      (x, gamma, beta) => plainNorm(x, gamma, beta, activation),
      [normal(shape, 1), normal([channels], 2), normal([channels], 3)],
    );
  });

  test('an affine map', async () => {
    const plain: Operation = (x, factor, offset) => tf.add(tf.mul(x, factor), offset);
    await expectAlike((x, factor, offset) => affine(x, factor, offset), plain, [normal([2, 1, 3, 2, 6], 1), normal([6], 2), normal([6], 3)]);
  });

  test.each([
    { shape: [2, 5, 7], units: 6, activation: 'hardSwish' },
    { shape: [1, 36], units: 12, activation: undefined },
  ] as const)('denseBatchNorm of $shape to $units', async ({ shape, units, activation }) => {
    const inputs = [normal([...shape], 1), normal([shape.at(-1)!, units], 2), ...[3, 4, 7].map((seed) => normal([units], seed))];
    await expectAlike(
      (x, kernel, bias, gamma, beta) => tf.tidy(() => parts.denseBatchNorm(denseOf(kernel, bias), normOf([gamma, beta], activation))(x, false)),
      (x, kernel, bias, gamma, beta) => plainNorm(plainDense(x, kernel, bias), gamma, beta, activation),
      inputs,
    );
  });

  // The last one's maps are too different for a kernel.
  test.each([
    { shape: [2, 7, 5], units: 12, at: 3, biases: 2 },
    { shape: [1, 3, 4], units: 3, at: 1, biases: 0 },
    { shape: [1, 3, 4], units: 4, at: 2, biases: 1 },
  ])('splitDense of $shape to $units from $at on, with $biases biases', async ({ shape, units, at, biases }) => {
    const [images, positions, inputs] = shape;
    const kernels = [2, 3].map((seed) => normal([inputs, units], seed));
    await expectAlike(
      (x, a, b, ...biases) => parts.splitDense(denseOf(a, biases[0]), denseOf(b, biases[1]))(x as tf.Tensor3D, at),
      (x, a, b, ...biases) => {
        const [first, second] = [tf.slice(x, [0, 0, 0], [images, at, inputs]), tf.slice(x, [0, at, 0], [images, positions - at, inputs])];
        return tf.concat([plainDense(first, a, biases[0]), plainDense(second, b, biases[1])], 1);
      },
      [normal(shape, 1), ...kernels, ...[4, 5].slice(0, biases).map((seed) => normal([units], seed))],
    );
  });

  test('convBatchNorm and relu', async () => {
    await expectAlike(
      (x, kernel, gamma, beta) =>
        tf.tidy(() => {
          const moments = { 'norm/movingMean': toTensor(normal([6], 5)), 'norm/movingVariance': toTensor(squares(6)) };
          const scope = scopeOf({ 'conv/kernel': kernel, 'norm/gamma': gamma, 'norm/beta': beta, ...moments });
          return parts.convBatchNorm(scope, 3, 6, { kernelSize: 1, epsilon: EPSILON, activation: 'relu' })(x as tf.Tensor4D, false);
        }),
      (x, kernel, gamma, beta) => plainNorm(tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, 1, 'same'), gamma, beta, 'relu'),
      [normal([2, 4, 5, 3], 1), normal([1, 1, 3, 6], 2), normal([6], 3), normal([6], 4)],
    );
  });

  test('a convolution with a bias and a batch norm that are declared apart', async () => {
    await expectAlike(
      (x, kernel, bias, gamma, beta) =>
        tf.tidy(() => {
          const conv = parts.conv2d(scopeOf({ kernel, bias }), 3, 6, { kernelSize: 1, stride: 2 });
          return parts.normalisedConv(conv, normOf([gamma, beta], 'relu'))(x as tf.Tensor4D, false);
        }),
      (x, kernel, bias, gamma, beta) => plainNorm(tf.add(tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, 2, 'same'), bias), gamma, beta, 'relu'),
      [normal([2, 4, 5, 3], 1), normal([1, 1, 3, 6], 2), normal([6], 3), normal([6], 4), normal([6], 7)],
    );
  });

  test.each(['silu', 'relu'] as const)('convolve with a bias, a batch norm and %s', async (activation) => {
    await expectAlike(
      (x, kernel, bias, gamma, beta) =>
        tf.tidy(() =>
          convolve(x as tf.Tensor4D, kernel as tf.Tensor4D, { bias: bias as tf.Tensor1D, norm: normOf([gamma, beta]).inference(), activation }),
        ),
      (x, kernel, bias, gamma, beta) =>
        plainNorm(tf.add(tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, 1, 'same'), bias), gamma, beta, activation),
      [normal([2, 4, 5, 3], 1), normal([3, 3, 3, 10], 2), ...[3, 4, 7].map((seed) => normal([10], seed))],
    );
  });
});

describe('on wasm', () => {
  beforeAll(() => useBackend('wasm'));
  afterAll(() => useBackend('cpu'));

  test.each(MAPS)('batch norm of %j and %s reads and writes nothing out of bounds', async (shape, activation) => {
    const channels = shape.at(-1)!;
    await expectGuarded((x, gamma, beta) => normOf([gamma, beta], activation)(x, false), [shape, [channels], [channels]]);
  });

  test.each([
    [1, 1, 1],
    [5, 7, 9],
    [3, 4, 16],
  ])('linear maps of %i rows, %i inputs and %i units read and write nothing out of bounds', async (rows, inputs, units) => {
    const kernel = [inputs, units];
    await expectGuarded(
      (x, kernel, bias, gamma, beta) => parts.denseBatchNorm(denseOf(kernel, bias), normOf([gamma, beta], 'silu'))(x, false),
      [[rows, inputs], kernel, [units], [units], [units]],
    );
    await expectGuarded((x, a, b) => parts.splitDense(denseOf(a), denseOf(b))(x as tf.Tensor3D, rows), [[2, rows + 1, inputs], kernel, kernel]);
  });
});

async function expectGuarded(operation: Operation, shapes: number[][]): Promise<void> {
  await withGuards(async () => {
    const inputs = shapes.map((shape, i) => toTensor(normal(shape, i)));
    const y = tf.tidy(() => operation(...inputs));
    expect((await y.data()).every(Number.isFinite)).toBe(true);
    tf.dispose([y, ...inputs]);
  });
}
