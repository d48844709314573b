import { useBackend } from '@saccade/backends';
import { beforeAll, describe, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { expectWasmLikeCpu } from './compare.ts';
import { convolve, gradientsOf, grid, nameOf, randomConvolutions } from './convolution.ts';

beforeAll(async () => {
  await useBackend('cpu');
  await useBackend('wasm');
});

describe.each([
  { kind: 'conv2d', depthwise: false },
  { kind: 'depthwiseConv2d', depthwise: true },
])('gradients of $kind', ({ depthwise }) => {
  test('equal the cpu backend’s for each stride, padding and kernel size', async () => {
    for (const convolution of grid(depthwise)) await expectWasmLikeCpu(() => gradientsOf(convolution), nameOf(convolution));
  });

  test('equal the cpu backend’s for random shapes', async () => {
    for (const convolution of randomConvolutions(depthwise, 60)) await expectWasmLikeCpu(() => gradientsOf(convolution), nameOf(convolution));
  });
});

test('a filter’s gradient is summed over all chunks of a large input', async () => {
  const convolution = { depthwise: false, input: [1, 60, 70, 30], kernel: [5, 5], outputs: 2, strides: [1, 1], dilations: [1, 1], pad: 'same' } as const;
  await expectWasmLikeCpu(() => gradientsOf({ ...convolution, input: [...convolution.input], kernel: [5, 5], strides: [1, 1], dilations: [1, 1] }), 'large');
});

test('forward convolutions of the backend are right where they are dilated', async () => {
  for (const depthwise of [false, true]) {
    for (const convolution of randomConvolutions(depthwise, 60).filter(({ dilations }) => Math.max(...dilations) > 1)) {
      const { input, kernel, outputs } = convolution;
      await expectWasmLikeCpu(
        () => [convolve(tf.ones(input), tf.reshape(tf.range(0, kernel[0] * kernel[1] * input[3] * outputs), [...kernel, input[3], outputs]), convolution)],
        nameOf(convolution),
      );
    }
  }
});

test('conv2dTranspose equals the cpu backend’s, its gradients too', async () => {
  await expectWasmLikeCpu(() => {
    const x = tf.reshape(tf.range(0, 2 * 5 * 6 * 3), [2, 5, 6, 3]) as tf.Tensor4D;
    const filter = tf.reshape(tf.range(0, 3 * 3 * 4 * 3), [3, 3, 4, 3]) as tf.Tensor4D;
    const up = (x: tf.Tensor, filter: tf.Tensor) => tf.conv2dTranspose(x as tf.Tensor4D, filter as tf.Tensor4D, [2, 10, 12, 4], 2, 'same');
    return [up(x, filter), ...tf.grads(up)([x, filter])];
  }, 'conv2dTranspose');
});

describe('errors say what was received, what is expected, and the fix', () => {
  const attrs = { strides: [1, 1], pad: 'same', dataFormat: 'NHWC', filterShape: [3, 3, 2, 2] };
  const filterGradient = (dyShape: number[], more = {}) =>
    tf.engine().runKernel('Conv2DBackpropFilter', { x: tf.ones([1, 4, 4, 2]), dy: tf.ones(dyShape) }, { ...attrs, ...more });

  beforeAll(() => tf.setBackend('wasm'));

  test('for a gradient that does not fit the output', () => {
    expect(() => filterGradient([1, 3, 4, 2])).toThrow(
      'Conv2DBackpropFilter on wasm: received a gradient of shape [1, 3, 4, 2], expected [1, 4, 4, 2], the output’s for an input of [1, 4, 4, 2] and a filter of [3, 3, 2, 2]. Give the strides, pad and dilations of the forward convolution.',
    );
  });

  test('for data in NCHW', () => {
    expect(() => filterGradient([1, 4, 4, 2], { dataFormat: 'NCHW' })).toThrow(
      'Conv2DBackpropFilter on wasm: received data in NCHW, expected NHWC. Transpose the input to [batch, height, width, channels].',
    );
  });
});
