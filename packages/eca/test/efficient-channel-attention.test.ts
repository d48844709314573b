import { efficientChannelAttention, type EfficientChannelAttention, type EfficientChannelAttentionOptions } from '@saccade/eca';
import { ecaModuleFromTorch, fromTorch } from '@saccade/eca/torch';
import type { StateDict } from '@saccade/core/torch';
import { casesOn, closeTo, equalsPlain, onEachBackend, random, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

testBlock({
  package: '@saccade/eca',
  create: efficientChannelAttention,
  input: [2, 5, 7, 12],
  options: { gamma: 0.9, b: -0.5, minKernelSize: 3, gate: 'hardSigmoid' },
  costs: [
    [{}, [1, 56, 56, 256], 5, 5 * 256],
    [{ kernelSize: 9 }, [3, 5, 7, 4], 9, 3 * 9 * 4],
    [{ kernelSize: 1 }, [1, 14, 14, 1024], 1, 1024],
  ],
  refused: [
    [
      { kernelSize: 4 },
      'EfficientChannelAttention: option "kernelSize" is 4, but must be an odd whole number ≥ 1, or null. Leave it out for the default, null.',
    ],
    [{ gamma: 0 }, 'EfficientChannelAttention: option "gamma" is 0, but must be a number > 0. Leave it out for the default, 2.'],
    [{ b: Infinity }, 'EfficientChannelAttention: option "b" is Infinity, but must be a finite number. Leave it out for the default, 1.'],
    [
      { minKernelSize: 2 },
      'EfficientChannelAttention: option "minKernelSize" is 2, but must be an odd whole number ≥ 1. Leave it out for the default, 1.',
    ],
    [
      { kernel_size: 3 },
      'EfficientChannelAttention: unknown option "kernel_size" (received 3). Did you mean "kernelSize"? The options are kernelSize, gamma, b, minKernelSize, gate.',
    ],
  ],
  refusedInputs: [
    [
      [null, 7, 12],
      'EfficientChannelAttention: the input has shape [null, 7, 12], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.',
    ],
    [
      [null, 0, 7, 12],
      'EfficientChannelAttention: the input has shape [null, 0, 7, 12], but each position axis must have at least 1. Give a larger map, or leave the block out at this depth.',
    ],
  ],
});

testGoldens(path.join(folder, 'test/golden'), { eca: fromTorch });

onEachBackend((backend) => {
  test.each<[shape: number[], options: EfficientChannelAttentionOptions]>(
    casesOn(backend, [
      [[3, 4, 5, 64], {}],
      [[1, 9, 4, 13], { kernelSize: 1 }],
      [[2, 1, 1, 3], { kernelSize: 9, gate: 'hardSigmoid' }],
    ]),
  )('equals plain ops on %j with %j', async (shape, options) => {
    await equalsPlain(efficientChannelAttention(options), shape, plain);
  });
});

test('the kernel grows with the channels, by the rule that the options say', () => {
  const size = (channels: number, options?: EfficientChannelAttentionOptions) => efficientChannelAttention(options).cost([1, 1, 1, channels]).params;
  expect([4, 64, 256, 2048].map((channels) => size(channels))).toEqual([1, 3, 5, 7]);
  expect(size(4, { minKernelSize: 3 })).toBe(3);
  expect(size(256, { gamma: 1 })).toBe(9);
  expect(size(256, { b: -8 })).toBe(1);
  expect(size(256, { kernelSize: 3 })).toBe(3);
});

test('adds to a ResNet-50 the parameters of the official networks', () => {
  const added = (...sizes: (number | null)[]) =>
    sizes.reduce<number>(
      (sum, kernelSize, i) => sum + [3, 4, 6, 3][i] * efficientChannelAttention({ kernelSize }).cost([1, 7, 7, 256 << i]).params,
      0,
    );
  expect(added(3, 5, 5, 7)).toBe(25_557_112 - 25_557_032);
  expect(added(3, 3, 3, 3)).toBe(25_557_080 - 25_557_032);
  expect(added(null, null, null, null)).toBe(25_557_118 - 25_557_032);
});

describe('from PyTorch', () => {
  const state = (k: number): StateDict => ({ 'conv.weight': { shape: [1, 1, k], data: Float32Array.from({ length: k }, (_, i) => i / k - 0.3) } });

  test.each([
    [{ channels: 256 }, 3],
    [{ channels: 48, k_size: 1 }, 1],
    [{ channels: 256, gamma: 1 }, 9],
    [{ channels: 256, beta: 5 }, 7],
    [{ channels: 4, gamma: 2, beta: 1 }, 3],
    [{ channels: 4, gamma: 2, beta: 1, k_size: 1 }, 1],
  ])('eca_layer with %j has a kernel of %i', (config, k) => {
    expect(fromTorch({ config, state: state(k) }).countParams()).toBe(k);
  });

  test('EcaModule: by the rule where it knows the channels, else as its kernel_size says', async () => {
    const x = random([2, 3, 4, 256]);
    const expected = fromTorch({ config: { channels: 256, k_size: 5 }, state: state(5) }).apply(x) as tf.Tensor;
    await closeTo(ecaModuleFromTorch({ config: { channels: 256, kernel_size: 9 }, state: state(5) }).apply(x) as tf.Tensor, expected, 0);
    await closeTo(ecaModuleFromTorch({ config: { kernel_size: 5 }, state: state(5) }, 256).apply(x) as tf.Tensor, expected, 0);
    expect(ecaModuleFromTorch({ config: { gate_layer: 'hard_sigmoid' }, state: state(3) }, 8).options).toMatchObject({
      kernelSize: 3,
      gate: 'hardSigmoid',
    });
    expect(() => ecaModuleFromTorch({ config: {}, state: state(3) })).toThrow(
      'EcaModule: the number of channels is not known. Give channels as an argument of the module, or beside the module.',
    );
  });

  test.each([
    [
      { channels: 256, k_size: 7, gamma: 2 },
      'eca_layer: k_size is 7, but channels 256, gamma 2 and beta 1 make 5. Leave out k_size, or both gamma and beta.',
    ],
    [{ channels: 256, k_size: 5 }, /"conv.weight" has shape \[1, 1, 3\], but must be \[1, 1, 5\]/],
    [{ k_size: 3 }, 'eca_layer: missing argument "channels". Give it as the PyTorch constructor got it.'],
    [{ channels: 256, k: 5 }, /^eca_layer: unknown argument "k"/],
  ])('refuses %j, which does not fit', (config, message) => {
    expect(() => fromTorch({ config: config as never, state: state(3) })).toThrow(message);
  });
});

testReadme(folder);

/** ECA, as the PyTorch code reads. */
function plain(layer: EfficientChannelAttention, x: tf.Tensor4D) {
  const s = tf.expandDims<tf.Tensor3D>(tf.mean(x, [1, 2]), 2);
  const z = tf.squeeze(tf.conv1d(s, layer.weights[0].read() as tf.Tensor3D, 1, 'same'), [2]);
  const channel = layer.options.gate === 'sigmoid' ? tf.sigmoid(z) : tf.div(tf.relu6(tf.add(z, 3)), 6);
  return { y: tf.mul(x, tf.reshape(channel, [x.shape[0], 1, 1, x.shape[3]])), channel };
}
