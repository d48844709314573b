import { CBAM, cbam, channelGate, spatialGate, type CBAMOptions } from '@saccade/cbam';
import { channelGateFromTorch, fromTorch, spatialGateFromTorch } from '@saccade/cbam/torch';
import { readSafetensors, type StateDict } from '@saccade/core/torch';
import { casesOn, closeTo, equalsPlain, onEachBackend, random, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

const rank = (block: string) =>
  [
    [null, 7, 24],
    `${block}: the input has shape [null, 7, 24], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.`,
  ] as const;
const small = (block: string) =>
  [
    [null, 0, 7, 24],
    `${block}: the input has shape [null, 0, 7, 24], but each position axis must have at least 1. Give a larger map, or leave the block out at this depth.`,
  ] as const;

describe('CBAM', () => {
  testBlock({
    package: '@saccade/cbam',
    create: cbam,
    input: [2, 5, 7, 24],
    options: { reduction: 2, pools: ['logSumExp', 'avg', 'lp', 'max'], kernelSize: 3 },
    costs: [
      [{}, [1, 56, 56, 256], 8464 + 98 + 2, 2 * 8192 + 98 * 56 * 56],
      [{ spatial: false }, [1, 56, 56, 256], 8464, 2 * 8192],
      [{ reduction: 4, pools: ['max'], kernelSize: 3 }, [3, 5, 7, 16], 148 + 18 + 2, 3 * (128 + 18 * 35)],
    ],
    refused: [
      [{ reduction: 0 }, 'CBAM: option "reduction" is 0, but must be a number > 0. Leave it out for the default, 16.'],
      [{ reduction: 25 }, 'ChannelGate: reduction 25 leaves no channel of 24. Give a reduction of at most 24, or set the width another way.'],
      [
        { pools: ['avg', 'lse'] },
        'CBAM: option "pools" is ["avg","lse"], but must be a list of one or more different names out of "avg", "max", "lp", "logSumExp". Leave it out for the default, ["avg","max"].',
      ],
      [{ pools: [] }, /^CBAM: option "pools" is \[\], but must be a list of one or more/],
      [{ kernelSize: 4 }, 'CBAM: option "kernelSize" is 4, but must be an odd whole number ≥ 1. Leave it out for the default, 7.'],
      [
        { spacial: false },
        'CBAM: unknown option "spacial" (received false). Did you mean "spatial"? The options are reduction, pools, spatial, kernelSize.',
      ],
    ],
    refusedInputs: [rank('CBAM'), small('CBAM')],
  });

  testGoldens(path.join(folder, 'test/golden'), { cbam: fromTorch });

  onEachBackend((backend) => {
    test.each<[shape: number[], options: CBAMOptions]>(
      casesOn(backend, [
        [[1, 9, 4, 13], { reduction: 4 }],
        [[3, 1, 1, 8], { reduction: 3, kernelSize: 5 }],
        [[2, 6, 11, 48], { pools: ['lp', 'logSumExp'], kernelSize: 3 }],
        [[3, 5, 3, 16], { reduction: 1, pools: ['logSumExp'], spatial: false }],
      ]),
    )('equals plain ops on %j with %j', async (shape, options) => {
      await equalsPlain(cbam(options), shape, plain);
    });
  });

  test('adds to a ResNet-50 the parameters and multiply-adds of the official networks', () => {
    const stages = [
      [3, 56, 256],
      [4, 28, 512],
      [6, 14, 1024],
      [3, 7, 2048],
    ];
    const total = (of: 'params' | 'macs') =>
      stages.reduce((sum, [blocks, side, channels]) => sum + blocks * cbam().cost([1, side, side, channels])[of], 0);
    expect(total('params')).toBe(28_089_624 - 25_557_032);
    expect(total('macs')).toBe(2 * 2_514_944 + 98 * 13_867);
  });

  test('starts with a spatial gate of 1/2', async () => {
    const { spatial } = cbam({ reduction: 4 }).attentionMaps(random([2, 5, 6, 16]));
    expect(new Set(await spatial.data())).toEqual(new Set([0.5]));
  });
});

describe('ChannelGate', () => {
  testBlock({
    package: '@saccade/cbam',
    create: channelGate,
    input: [2, 5, 7, 24],
    options: { reduction: 2, pools: ['max', 'lp'] },
    costs: [[{}, [1, 56, 56, 256], 8464, 2 * 8192]],
    refused: [
      [{ reduction: 25 }, 'ChannelGate: reduction 25 leaves no channel of 24. Give a reduction of at most 24, or set the width another way.'],
    ],
    refusedInputs: [rank('ChannelGate'), small('ChannelGate')],
  });
});

describe('SpatialGate', () => {
  testBlock({
    package: '@saccade/cbam',
    create: spatialGate,
    input: [2, 5, 7, 24],
    options: { kernelSize: 5 },
    costs: [[{}, [1, 56, 56, 256], 100, 98 * 56 * 56]],
    refused: [[{ kernelSize: 0 }, 'SpatialGate: option "kernelSize" is 0, but must be an odd whole number ≥ 1. Leave it out for the default, 7.']],
    refusedInputs: [rank('SpatialGate'), small('SpatialGate')],
  });
});

describe('from PyTorch', () => {
  const { tensors } = readSafetensors(readFileSync(path.join(folder, 'test/golden/cbam-basic.safetensors')));
  const under = (prefix: string): StateDict =>
    Object.fromEntries(Object.entries(tensors).flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])));
  const state = under('state.');
  const input = () => random([1, 5, 6, 32], 4);

  test('the gates alone, one after the other, are CBAM', async () => {
    const whole = fromTorch({ config: { gate_channels: 32 }, state });
    const channel = channelGateFromTorch({ config: { gate_channels: 32 }, state: under('state.ChannelGate.') });
    const spatial = spatialGateFromTorch({ config: {}, state: under('state.SpatialGate.') }, 32);
    const x = input();
    expect(whole).toBeInstanceOf(CBAM);
    await closeTo(spatial.apply(channel.apply(x)) as tf.Tensor, whole.apply(x) as tf.Tensor, 1e-6);
  });

  test('without the spatial gate, by either name', async () => {
    const x = input();
    const channelState = Object.fromEntries(Object.entries(state).filter(([key]) => key.startsWith('ChannelGate')));
    const expected = channelGateFromTorch({ config: { gate_channels: 32 }, state: under('state.ChannelGate.') }).apply(x) as tf.Tensor;
    for (const absent of [{ spatial: false }, { no_spatial: true }, { spatial: false, no_spatial: true }]) {
      const layer = fromTorch({ config: { gate_channels: 32, ...absent }, state: channelState });
      await closeTo(layer.apply(x) as tf.Tensor, expected, 0);
    }
  });

  test.each([
    [{ hidden: 4 }, 'CBAM: hidden is 4, but gate_channels 32 and reduction_ratio 16 make 2. Leave it out, or correct reduction_ratio.'],
    [{ spatial: true, no_spatial: true }, 'CBAM: spatial and no_spatial are both true, but say the opposite of each other. Give one of them.'],
    [{ reduction_ratio: 8 }, /"ChannelGate.mlp.1.weight" has shape \[2, 32\], but must be \[4, 32\]/],
    [{ kernel_size: 3 }, /"SpatialGate.spatial.conv.weight" has shape \[1, 2, 7, 7\], but must be \[1, 2, 3, 3\]/],
    [{ spatial: false }, /"SpatialGate.spatial.conv.weight" \[1, 2, 7, 7\] is left over/],
    [{ pool_types: ['var'] }, /option "pools" is \["var"\]/],
    [{ pool_type: ['avg'] }, /^CBAM: unknown argument "pool_type" .* Did you mean "pool_types"\?/],
  ])('refuses %j, which does not fit', (wrong, message) => {
    expect(() => fromTorch({ config: { gate_channels: 32, ...(wrong as object) }, state })).toThrow(message);
  });
});

testReadme(folder);

/** CBAM at inference, as its PyTorch code reads. */
function plain(layer: CBAM, x: tf.Tensor4D): { y: tf.Tensor; channel: tf.Tensor; spatial?: tf.Tensor } {
  const weight = (path: string) => layer.weights.find(({ originalName }) => originalName.endsWith(path))!.read();
  const linear = (x: tf.Tensor, name: string) => tf.add(tf.matMul(x, weight(`${name}/kernel`)), weight(`${name}/bias`));
  const mlp = (pooled: tf.Tensor) => linear(tf.relu(linear(pooled, 'reduce')), 'expand');
  const pools = {
    avg: (x: tf.Tensor) => tf.mean(x, [1, 2]),
    max: (x: tf.Tensor) => tf.max(x, [1, 2]),
    lp: (x: tf.Tensor) => tf.sqrt(tf.sum(tf.square(x), [1, 2])),
    logSumExp: (x: tf.Tensor) => tf.logSumExp(x, [1, 2]),
  };
  const channel = tf.sigmoid(tf.addN(layer.options.pools.map((pool) => mlp(pools[pool](x)))));
  const y = tf.mul<tf.Tensor4D>(x, tf.reshape(channel, [x.shape[0], 1, 1, x.shape[3]]));
  if (!layer.options.spatial) return { y, channel };
  const pooled = tf.concat([tf.max<tf.Tensor4D>(y, 3, true), tf.mean<tf.Tensor4D>(y, 3, true)], 3);
  const logits = tf.conv2d(pooled, weight('conv/kernel') as tf.Tensor4D, 1, 'same');
  const normal = tf.div(tf.sub(logits, weight('movingMean')), tf.sqrt(tf.add(weight('movingVariance'), 1e-5)));
  const spatial = tf.sigmoid(tf.add(tf.mul(normal, weight('gamma')), weight('beta')));
  return { y: tf.mul(y, spatial), channel, spatial: tf.squeeze(spatial, [3]) };
}
