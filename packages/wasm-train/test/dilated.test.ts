import * as tf from '@tensorflow/tfjs-core';
import { useBackend, type NodeBackendName } from '@saccade/backends';
import { beforeAll, expect, inject, test } from 'vitest';
import { expectSame, on } from './compare.ts';
import { convolution, gradientsOf, nameOf, sides, type Convolution } from './convolution.ts';

const DILATED: Convolution[] = [false, true].flatMap((depthwise) => {
  const choices: Partial<Convolution>[] = [
    { input: [1, 9, 9, 3], dilations: [2, 2] },
    { input: [3, 10, 7, 2], kernel: [3, 2], dilations: [1, 3], pad: 'valid' },
    { input: [1, 5, 12, 3], kernel: [2, 3], dilations: [4, 3] },
    { input: [1, 11, 8, 1], dilations: [2, 3], pad: sides(3, 0, 1, 4) },
    { input: [3, 8, 8, 17], dilations: [3, 3], pad: 2 },
    { input: [1, 4, 4, 2], kernel: [1, 1], dilations: [2, 2] },
  ];
  return choices.map((choice) => convolution(Object.assign({ depthwise, outputs: depthwise ? 2 : 4 }, choice)));
});

/** The same convolution without dilation: its filter's taps apart, zeros between them. Its gradient is core's own. */
function undilated(x: tf.Tensor4D, filter: tf.Tensor4D, { depthwise, kernel, strides, dilations, pad }: Convolution): tf.Tensor4D {
  // [tap, place in the wide filter]
  const apart = (index: 0 | 1) =>
    tf.stack(
      Array.from({ length: kernel[index] }, (_, tap) => {
        const place = tap * dilations[index];
        return tf.pad1d(tf.ones<tf.Rank.R1>([1]), [place, (kernel[index] - 1) * dilations[index] - place]);
      }),
    ) as tf.Tensor2D;
  const [, , inputs, outputs] = filter.shape;
  const rows = tf.matMul(apart(0), tf.reshape(filter, [kernel[0], -1]), true);
  const columns = tf.reshape(tf.transpose(tf.reshape(rows, [-1, kernel[1], inputs * outputs]), [1, 0, 2]), [kernel[1], -1]);
  const wide = tf.reshape(tf.matMul(apart(1), columns as tf.Tensor2D, true), [-1, rows.shape[0], inputs, outputs]);
  const sparse = tf.transpose(wide, [1, 0, 2, 3]) as tf.Tensor4D;
  return depthwise ? tf.depthwiseConv2d(x, sparse, strides, pad) : tf.conv2d(x, sparse, strides, pad);
}

const backends: NodeBackendName[] = inject('webgpu') ? ['webgpu', 'wasm', 'cpu'] : ['wasm', 'cpu'];

beforeAll(async () => {
  for (const backend of backends) await useBackend(backend);
});

test.each(DILATED.map((convolution) => ({ convolution, name: nameOf(convolution) })))(
  'a dilated convolution has the gradients of the undilated one with zeros in its filter: $name',
  async ({ convolution, name }) => {
    const expected = await on('cpu', () => gradientsOf(convolution, undilated));
    for (const backend of backends) expectSame(await on(backend, () => gradientsOf(convolution)), expected, `${backend}: ${name}`);
  },
);

test('a dilated convolution of data in NCHW has the gradients of that in NHWC', async () => {
  const dilated = convolution({ input: [2, 9, 8, 3], dilations: [2, 2] });
  const expected = await on('cpu', () => gradientsOf(dilated));
  const channelsFirst = (x: tf.Tensor4D, filter: tf.Tensor4D): tf.Tensor4D =>
    tf.transpose(tf.conv2d(tf.transpose(x, [0, 3, 1, 2]), filter, 1, 'same', 'NCHW', 2), [0, 2, 3, 1]);
  expectSame(await on('cpu', () => gradientsOf(dilated, channelsFirst)), expected, 'NCHW');
});

test('without dilation the gradients stay the registered ones', async () => {
  await tf.setBackend('cpu');
  const kernels = await tf.profile(() => tf.tidy(() => void gradientsOf(convolution({}))));
  expect(kernels.kernelNames).toEqual(expect.arrayContaining(['Conv2DBackpropInput', 'Conv2DBackpropFilter']));
  expect(kernels.kernelNames).not.toContain('SpaceToBatchND');
});
