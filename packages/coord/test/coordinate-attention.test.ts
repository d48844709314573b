import { coordinateAttention, type CoordinateAttention, type CoordinateAttentionOptions } from '@saccade/coord';
import { fromTorch } from '@saccade/coord/torch';
import { readSafetensors } from '@saccade/core/torch';
import { closeTo, equalsPlain, onEachBackend, random, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

testBlock({
  package: '@saccade/coord',
  create: coordinateAttention,
  input: [2, 5, 7, 12],
  options: { reduction: 2, minChannels: 3 },
  costs: [
    [{}, [1, 56, 56, 256], 8 * 257 + 16 + 512 * 9, 2 * 112 * 256 * 8],
    [{ reduction: 16 }, [2, 5, 7, 320], 20 * 321 + 40 + 640 * 21, 2 * 2 * 12 * 320 * 20],
    [{ reduction: 4, minChannels: 0 }, [1, 3, 2, 8], 2 * 9 + 4 + 16 * 3, 2 * 5 * 8 * 2],
  ],
  refused: [
    [{ reduction: -1 }, 'CoordinateAttention: option "reduction" is -1, but must be a number > 0. Leave it out for the default, 32.'],
    [{ minChannels: 1.5 }, 'CoordinateAttention: option "minChannels" is 1.5, but must be a whole number ≥ 0. Leave it out for the default, 8.'],
    [{ minChannels: 0 }, 'CoordinateAttention: reduction 32 leaves no channel of 12. Give a reduction of at most 12, or set the width another way.'],
    [
      { minChannel: 4 },
      'CoordinateAttention: unknown option "minChannel" (received 4). Did you mean "minChannels"? The options are reduction, minChannels.',
    ],
  ],
  refusedInputs: [
    [
      [null, 7, 12],
      'CoordinateAttention: the input has shape [null, 7, 12], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.',
    ],
    [
      [null, 7, 0, 12],
      'CoordinateAttention: the input has shape [null, 7, 0, 12], but each position axis must have at least 1. Give a larger map, or leave the block out at this depth.',
    ],
  ],
});

testGoldens(path.join(folder, 'test/golden'), { ca: fromTorch });

onEachBackend(() => {
  test.each<[shape: number[], options: CoordinateAttentionOptions]>([
    [[1, 9, 4, 13], {}],
    [[3, 1, 1, 8], { reduction: 2, minChannels: 1 }],
    [[3, 3, 10, 40], { reduction: 4 }],
  ])('equals plain ops on %j with %j', async (shape, options) => {
    await equalsPlain(coordinateAttention(options), shape, plain);
  });
});

test('adds to a MobileNetV2 the parameters of the official network', () => {
  const inputs = [16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160];
  const params = (reduction: number) =>
    inputs.reduce((sum, channels) => sum + coordinateAttention({ reduction }).cost([1, 7, 7, 6 * channels]).params, 0);
  expect(params(32)).toBe(3_950_648 - 3_504_872);
  expect(params(8)).toBe(5_213_456 - 3_504_872);
});

test('starts as the official networks do', async () => {
  const layer = coordinateAttention();
  layer.build([1, 4, 4, 512]);
  const values = (name: string) => layer.weights.find(({ originalName }) => originalName.endsWith(name))!.read();
  const deviation = async (name: string) => (await tf.sqrt(tf.mean(tf.square(values(name)))).data())[0];
  // 8192 values: the deviation is right to 1 % (one sigma).
  expect((await deviation('reduce/kernel')) / Math.sqrt(2 / 16)).toBeCloseTo(1, 1);
  expect((await deviation('expandHeight/kernel')) / Math.sqrt(2 / 512)).toBeCloseTo(1, 1);
  expect((await deviation('expandWidth/kernel')) / Math.sqrt(2 / 512)).toBeCloseTo(1, 1);
  for (const bias of ['reduce/bias', 'expandHeight/bias', 'expandWidth/bias']) expect(await deviation(bias)).toBe(0);
});

describe('from PyTorch', () => {
  const { tensors } = readSafetensors(readFileSync(path.join(folder, 'test/golden/ca-basic.safetensors')));
  const state = Object.fromEntries(Object.entries(tensors).flatMap(([key, value]) => (key.startsWith('state.') ? [[key.slice(6), value]] : [])));
  const config = { inp: 32, oup: 32 };

  test('with the names of mbv2_ca.py', async () => {
    const renamed = Object.fromEntries(
      Object.entries(state).map(([key, value]) => [key.replace('conv_h', 'conv2').replace('conv_w', 'conv3'), value]),
    );
    const x = random([2, 5, 6, 32], 4);
    const expected = fromTorch({ config, state }).apply(x) as tf.Tensor;
    await closeTo(fromTorch({ config: { ...config, groups: 32 }, state: renamed }).apply(x) as tf.Tensor, expected, 0);
  });

  test.each([
    [{ oup: 64 }, 'CoordAtt: oup is 64, but must equal inp, 32, since the block scales its own input. Give oup: 32.'],
    [{ mip: 4 }, 'CoordAtt: mip is 4, but inp 32 and reduction 32 make 8. Leave it out, or correct reduction.'],
    [{ reduction: 16, groups: 8 }, 'CoordAtt: reduction is 16 and groups is 8, but they are two names of one argument. Give one of them.'],
    [{ reduction: 2 }, /"conv1.weight" has shape \[8, 32, 1, 1\], but must be \[16, 32\]/],
    [{ reducton: 2 }, /^CoordAtt: unknown argument "reducton" .* Did you mean "reduction"\?/],
  ])('refuses %j, which does not fit', (wrong, message) => {
    expect(() => fromTorch({ config: { ...config, ...wrong }, state })).toThrow(message);
  });
});

testReadme(folder);

/** Coordinate attention at inference, as the PyTorch code reads. */
function plain(layer: CoordinateAttention, x: tf.Tensor4D) {
  const weight = (path: string) => layer.weights.find(({ originalName }) => originalName.endsWith(path))!.read();
  const conv = (x: tf.Tensor, name: string) => {
    const [inputs, filters] = weight(`${name}/kernel`).shape;
    const filter = tf.reshape<tf.Rank.R3>(weight(`${name}/kernel`), [1, inputs, filters]);
    return tf.add(tf.conv1d(x as tf.Tensor3D, filter, 1, 'same'), weight(`${name}/bias`));
  };
  const reduced = conv(tf.concat([tf.mean(x, 2), tf.mean(x, 1)], 1), 'reduce');
  const normal = tf.div(tf.sub(reduced, weight('movingMean')), tf.sqrt(tf.add(weight('movingVariance'), 1e-5)));
  const z = tf.add(tf.mul(normal, weight('gamma')), weight('beta'));
  const f = tf.mul(z, tf.div(tf.relu6(tf.add(z, 3)), 6));
  const [rows, columns] = tf.split(f, [x.shape[1], x.shape[2]], 1);
  const [height, width] = [tf.sigmoid(conv(rows, 'expandHeight')), tf.sigmoid(conv(columns, 'expandWidth'))];
  return { y: tf.mul(tf.mul(x, tf.expandDims(height, 2)), tf.expandDims(width, 1)), height, width };
}
