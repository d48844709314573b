import { useBackend } from '@saccade/backends';
import { beforeAll, describe, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { expectWasmLikeCpu, values } from './compare.ts';
import { convolution, convolve, gradientsOf, grid, nameOf, randomConvolutions } from './convolution.ts';

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
  const large = convolution({ input: [1, 60, 70, 30], kernel: [5, 5], outputs: 2 });
  await expectWasmLikeCpu(() => gradientsOf(large), nameOf(large));
});

test('forward convolutions of the backend are right where they are dilated', async () => {
  for (const depthwise of [false, true]) {
    for (const convolution of randomConvolutions(depthwise, 60).filter(({ dilations }) => Math.max(...dilations) > 1)) {
      const { input, kernel, outputs } = convolution;
      const filterShape: [number, number, number, number] = [...kernel, input[3], outputs];
      await expectWasmLikeCpu(() => [convolve(values(input, 1), values(filterShape, 2), convolution)], nameOf(convolution));
    }
  }
});

test('conv2dTranspose equals the cpu backend’s, its gradients too', async () => {
  await expectWasmLikeCpu(() => {
    const x = values([2, 5, 6, 3], 1);
    const filter = values([3, 3, 4, 3], 2);
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
