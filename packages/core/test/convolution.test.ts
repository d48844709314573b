import { convolve, convolvedSize, localAvgPool, resizeBilinear, resizeNearest, type ConvolutionGeometry, type ConvolveOptions } from '@saccade/core';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { expectSame, normal, toTensor } from './plain.ts';

type Geometry = Required<ConvolutionGeometry & Pick<ConvolveOptions, 'groups'>>;

const CONVOLUTIONS: [string, shape: number[], kernel: number[], Geometry][] = [
  ['a plain one', [2, 5, 4, 3], [3, 3, 3, 2], { stride: 1, dilation: 1, groups: 1, padding: 1 }],
  ['strided', [1, 5, 6, 2], [3, 3, 2, 3], { stride: 2, dilation: 1, groups: 1, padding: 1 }],
  ['dilated', [2, 7, 5, 2], [3, 3, 2, 3], { stride: 1, dilation: 2, groups: 1, padding: 2 }],
  ['dilated beyond the map', [1, 3, 5, 2], [3, 3, 2, 2], { stride: 1, dilation: 4, groups: 1, padding: 4 }],
  ['dilated beyond the map, of which the middle remains', [1, 3, 5, 2], [3, 3, 2, 2], { stride: 1, dilation: 5, groups: 1, padding: 5 }],
  ['larger than the map, of which more remains', [2, 3, 2, 4], [7, 7, 2, 2], { stride: 1, dilation: 2, groups: 2, padding: 6 }],
  ['dilated without padding', [1, 9, 8, 2], [3, 3, 2, 2], { stride: 1, dilation: 3, groups: 1, padding: 0 }],
  ['as strided as dilated', [2, 7, 6, 2], [3, 3, 2, 3], { stride: 2, dilation: 2, groups: 1, padding: 2 }],
  ['as strided as dilated, padded to no grid point', [1, 8, 7, 2], [3, 3, 2, 2], { stride: 2, dilation: 2, groups: 1, padding: 1 }],
  ['strided by a multiple of the dilation', [1, 9, 8, 2], [3, 3, 2, 2], { stride: 4, dilation: 2, groups: 1, padding: 2 }],
  ['strided and dilated with nothing in common', [1, 9, 8, 2], [3, 3, 2, 2], { stride: 2, dilation: 3, groups: 1, padding: 3 }],
  ['grouped', [2, 4, 5, 6], [3, 3, 2, 9], { stride: 1, dilation: 1, groups: 3, padding: 1 }],
  ['grouped, strided and dilated', [1, 6, 5, 4], [3, 3, 2, 2], { stride: 2, dilation: 2, groups: 2, padding: 2 }],
  ['of each channel', [1, 4, 5, 3], [3, 3, 1, 6], { stride: 1, dilation: 1, groups: 3, padding: 1 }],
  ['of eleven filters', [2, 3, 6, 2], [5, 5, 2, 11], { stride: 1, dilation: 1, groups: 1, padding: 2 }],
  ['of twelve filters a group', [1, 2, 9, 4], [3, 3, 2, 24], { stride: 1, dilation: 2, groups: 2, padding: 2 }],
  ['of single positions, in large steps', [1, 5, 11, 3], [1, 1, 3, 8], { stride: 3, dilation: 1, groups: 1, padding: 1 }],
];

const indices = (count: number, start: number, step: number): tf.Tensor1D =>
  tf.tensor1d(
    Array.from({ length: count }, (_, i) => start + i * step),
    'int32',
  );

/** The definition, tap by tap. */
function plainConvolution(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor, { stride, dilation, groups, padding }: Geometry): tf.Tensor {
  const [k, , depth, filters] = kernel.shape;
  const padded = tf.pad(x, [
    [0, 0],
    [padding, padding],
    [padding, padding],
    [0, 0],
  ]);
  const count = (axis: number) => Math.floor((padded.shape[axis] - dilation * (k - 1) - 1) / stride) + 1;
  const taps = Array.from({ length: k * k }, (_, tap) => [Math.floor(tap / k), tap % k]);
  const ofGroup = (group: number): tf.Tensor =>
    taps
      .map(([row, column]) => {
        const seen = tf.gather(tf.gather(padded, indices(count(1), row * dilation, stride), 1), indices(count(2), column * dilation, stride), 2);
        const weights = tf.slice(kernel, [row, column, 0, (group * filters) / groups], [1, 1, depth, filters / groups]);
        const rows = tf.reshape(tf.slice(seen, [0, 0, 0, group * depth], [-1, -1, -1, depth]), [-1, depth]);
        return tf.reshape(tf.matMul(rows, tf.reshape(weights, [depth, -1])), [...seen.shape.slice(0, 3), filters / groups]);
      })
      .reduce((sum, y) => tf.add(sum, y));
  return tf.add(
    tf.concat(
      Array.from({ length: groups }, (_, group) => ofGroup(group)),
      3,
    ),
    bias,
  );
}

function plainNearest(x: tf.Tensor, [height, width]: number[]): tf.Tensor {
  const along = (x: tf.Tensor, axis: number, size: number): tf.Tensor =>
    tf.gather(
      x,
      tf.tensor1d(
        Array.from({ length: size }, (_, i) => Math.floor((i * x.shape[axis]) / size)),
        'int32',
      ),
      axis,
    );
  return along(along(x, 1, height), 2, width);
}

function plainBilinear(x: tf.Tensor, [height, width]: number[]): tf.Tensor {
  const along = (x: tf.Tensor, axis: number, size: number): tf.Tensor => {
    const place = (i: number) => (size === 1 ? 0 : (i * (x.shape[axis] - 1)) / (size - 1));
    const rows = Array.from({ length: size }, (_, i) => Array.from({ length: x.shape[axis] }, (_, j) => Math.max(0, 1 - Math.abs(place(i) - j))));
    const swap = axis === 1 ? [0, 3, 2, 1] : [0, 1, 3, 2];
    const swapped = tf.transpose(x, swap);
    const mixed = tf.matMul(tf.reshape(swapped, [-1, x.shape[axis]]), tf.transpose(tf.tensor2d(rows)));
    return tf.transpose(tf.reshape(mixed, [...swapped.shape.slice(0, -1), size]), swap);
  };
  return along(along(x, 1, height), 2, width);
}

/** The sum over each window of a map padded with zeros, over that of ones. */
function plainLocalMean(x: tf.Tensor, { window, stride, padding }: { window: number; stride: number; padding: number }): tf.Tensor {
  const channels = x.shape.at(-1)!;
  const sums = (map: tf.Tensor): tf.Tensor => {
    const ones = tf.tile(tf.reshape(tf.eye(channels), [1, 1, channels, channels]), [window, window, 1, 1]);
    return plainConvolution(map, ones, tf.zeros([channels]), { stride, dilation: 1, groups: 1, padding });
  };
  return tf.div(sums(x), sums(tf.onesLike(x)));
}

test('the size that a convolution leaves', () => {
  expect(convolvedSize(7, 3)).toBe(7);
  expect(convolvedSize(7, 3, { stride: 2 })).toBe(4);
  expect(convolvedSize(9, 3, { dilation: 2, padding: 0 })).toBe(5);
  expect(convolvedSize(null, 3)).toBe(null);
});

onEachBackend((backend) => {
  describe('convolve equals the definition', () => {
    test.each(CONVOLUTIONS)('%s', async (_, shape, kernel, geometry) => {
      const inputs = [normal(shape, 1), normal(kernel, 2), normal([kernel[3]], 3)];
      const ours = (x: tf.Tensor, k: tf.Tensor, bias?: tf.Tensor) =>
        convolve(x as tf.Tensor4D, k as tf.Tensor4D, { ...geometry, bias: bias as tf.Tensor1D | undefined });
      await expectSame(ours, (x, k, bias) => plainConvolution(x, k, bias, geometry), inputs);
      await expectSame(ours, (x, k) => plainConvolution(x, k, tf.zeros([kernel[3]]), geometry), inputs.slice(0, 2));
    });
  });

  test.skipIf(backend !== 'wasm')('convolve is one kernel, however many groups, and TF.js’s own where a gradient is wanted', async () => {
    const [x, kernel] = [normal([1, 4, 5, 8], 1), normal([3, 3, 2, 8], 2)].map(toTensor) as tf.Tensor4D[];
    const grouped = (x: tf.Tensor): tf.Tensor => convolve(x as tf.Tensor4D, kernel, { groups: 4, dilation: 2, stride: 2 });
    const kernelsOf = async (f: () => tf.Tensor) => (await tf.profile(() => tf.tidy(() => void f()))).kernels.map(({ name }) => name);
    expect(await kernelsOf(() => grouped(x))).toEqual(['SaccadeConvolve']);
    expect(await kernelsOf(() => tf.grad(grouped)(x))).not.toContain('SaccadeConvolve');
    tf.dispose([x, kernel]);
  });

  const SIZES = [
    [6, 10],
    [5, 7],
    [3, 5],
    [9, 4],
    [2, 3],
    [1, 1],
    [7, 5],
    [49, 3],
    [123, 7],
  ];

  test.each(SIZES)('resizes 3×5 to %i×%i', async (height, width) => {
    const x = normal([2, 3, 5, 3], 1);
    await expectSame(
      (x) => resizeNearest(x as tf.Tensor4D, [height, width]),
      (x) => plainNearest(x, [height, width]),
      [x],
    );
    await expectSame(
      (x) => resizeBilinear(x as tf.Tensor4D, [height, width]),
      (x) => plainBilinear(x, [height, width]),
      [x],
    );
  });

  test.each([
    [1, 1, 3, 4],
    [1, 3, 4, 5],
    [4, 1, 6, 3],
    [1, 3, 2, 3],
  ])('resizes %i×%i to %i×%i', async (h, w, height, width) => {
    const x = normal([2, h, w, 3], 1);
    await expectSame(
      (x) => resizeNearest(x as tf.Tensor4D, [height, width]),
      (x) => plainNearest(x, [height, width]),
      [x],
    );
    await expectSame(
      (x) => resizeBilinear(x as tf.Tensor4D, [height, width]),
      (x) => plainBilinear(x, [height, width]),
      [x],
    );
  });

  test.each([
    [[2, 5, 7, 3], 3, 2, 1],
    [[1, 6, 9, 2], 7, 4, 3],
    [[1, 2, 3, 4], 15, 8, 7],
    [[1, 8, 4, 2], 4, 4, 0],
    [[1, 5, 5, 2], 3, 1, 1],
  ])('averages windows of %j over real pixels: %i by steps of %i, padded by %i', async (shape, window, stride, padding) => {
    const geometry = { window, stride, padding };
    await expectSame(
      (x) => localAvgPool(x as tf.Tensor4D, geometry),
      (x) => plainLocalMean(x, geometry),
      [normal(shape, 1)],
    );
  });
});
