import { convolvePlanes, WeightScope, type PlaneGeometry } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { useBackend } from '@saccade/backends';
import { onEachBackend, withGuards } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectSame, expectSameValue, normal, toTensor, type Input, type Operation } from './plain.ts';

interface Case {
  readonly planes: number[];
  readonly side: number;
  readonly geometry?: PlaneGeometry;
}

// Planes of less than a tile and more, of one column and one row, more rows than one call takes, and part of the rows.
const CASES: readonly Case[] = [
  { planes: [2, 2, 19, 21], side: 7, geometry: { rows: [1, 18], turned: true } },
  { planes: [3, 1, 1, 1], side: 3 },
  { planes: [1, 2, 5, 16], side: 1 },
  { planes: [2, 1, 35, 18], side: 5, geometry: { rows: [0, 17] } },
  { planes: [2, 1, 3, 39], side: 13, geometry: { turned: true } },
];

const EPSILON = 1e-5;
const MOMENTS = { 'norm/movingMean': normal([1], 5), 'norm/movingVariance': { shape: [1], values: Float32Array.of(0.7) } };

function scopeOf(tensors: Readonly<Record<string, tf.Tensor | undefined>>): WeightScope {
  return new WeightScope(({ path }) => ({ read: () => tensors[path] ?? expect.fail(path), write: () => expect.fail(`${path} was written`) }));
}

function plainConvolution(planes: tf.Tensor, kernel: tf.Tensor, { rows = [0, planes.shape[2]!], turned = false }: PlaneGeometry = {}): tf.Tensor {
  const [count, images, , width] = planes.shape;
  const seen = tf.slice(planes, [0, 0, rows[0], 0], [count, images, rows[1] - rows[0], width]);
  const filter = turned ? tf.transpose(kernel, [1, 0, 2, 3]) : kernel;
  return tf.squeeze(tf.conv2d(tf.transpose(seen, [1, 2, 3, 0]) as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same'), [3]);
}

const inputsOf = ({ planes, side }: Case): [planes: Input, kernel: Input] => [normal(planes, 1), normal([side, side, planes[0], 1], 2)];
const tolerance = { value: 2e-5, gradient: 2e-4 };

onEachBackend((backend) => {
  const expectAlike = (ours: Operation, plain: Operation, inputs: Input[]) =>
    backend === 'webgpu' ? expectSameValue(ours, plain, inputs, tolerance.value) : expectSame(ours, plain, inputs, tolerance);

  test.each(backend === 'webgpu' ? [] : CASES)('convolvePlanes of $planes, kernel of side $side', async (options) => {
    const ours: Operation = (planes, kernel) => convolvePlanes(planes as tf.Tensor4D, kernel as tf.Tensor4D, options.geometry);
    await expectAlike(ours, (planes, kernel) => plainConvolution(planes, kernel, options.geometry), inputsOf(options));
  });

  test('planeConvBatchNorm equals a convolution and its batch norm after each other at inference', async () => {
    const [options] = CASES;
    await expectAlike(
      (planes, kernel, gamma, beta) =>
        tf.tidy(() => {
          const moments = Object.fromEntries(Object.entries(MOMENTS).map(([path, values]) => [path, toTensor(values)]));
          const scope = scopeOf({ 'conv/kernel': kernel, 'norm/gamma': gamma, 'norm/beta': beta, ...moments });
          const part = parts.planeConvBatchNorm(scope, options.planes[0], { kernelSize: options.side, epsilon: EPSILON });
          return part(planes as tf.Tensor4D, false, options.geometry);
        }),
      (planes, kernel, gamma, beta) => {
        const [mean, variance] = Object.values(MOMENTS).map(toTensor);
        const z = plainConvolution(planes, kernel, options.geometry);
        return tf.add(tf.mul(tf.div(tf.sub(z, mean), tf.sqrt(tf.add(variance, EPSILON))), gamma), beta);
      },
      [...inputsOf(options), normal([1], 3), normal([1], 4)],
    );
  });

  test.each([
    [[3, 37], 5],
    [[1, 2], 3],
  ])('channelConv of %j, kernel of %i', async (shape, kernelSize) => {
    await expectAlike(
      (x, kernel, bias) => parts.channelConv(scopeOf({ kernel, bias }), { kernelSize, useBias: true })(x as tf.Tensor2D),
      (x, kernel, bias) => {
        const column: tf.Tensor4D = tf.reshape(x, [...shape, 1, 1] as [number, number, number, number]);
        const filter: tf.Tensor4D = tf.reshape(kernel, [kernelSize, 1, 1, 1]);
        const margin = (kernelSize - 1) / 2;
        const padded = tf.pad(column, [
          [0, 0],
          [margin, margin],
          [0, 0],
          [0, 0],
        ]);
        return tf.add(tf.reshape(tf.conv2d(padded, filter, 1, 'valid'), x.shape), bias);
      },
      [normal(shape, 1), normal([kernelSize, 1, 1], 2), normal([1], 3)],
    );
  });
});

describe('on wasm', () => {
  beforeAll(() => useBackend('wasm'));
  afterAll(() => useBackend('cpu'));

  test('a convolution of planes reads and writes nothing out of bounds', async () => {
    for (const options of CASES) {
      await withGuards(async () => {
        const [planes, kernel] = inputsOf(options).map(toTensor);
        const y = convolvePlanes(planes as tf.Tensor4D, kernel as tf.Tensor4D, options.geometry);
        expect((await y.data()).every(Number.isFinite)).toBe(true);
        tf.dispose([y, planes, kernel]);
      });
    }
  });
});
