import { tripletAttention, type TripletAttention, type TripletAttentionOptions } from '@saccade/triplet';
import { fromTorch } from '@saccade/triplet/torch';
import { readSafetensors } from '@saccade/core/torch';
import { casesOn, closeTo, equalsPlain, onEachBackend, random, randomiseWeights, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

testBlock({
  package: '@saccade/triplet',
  create: tripletAttention,
  input: [2, 5, 7, 6],
  options: { kernelSize: 3 },
  costs: [
    [{}, [1, 56, 56, 256], 300, 98 * (2 * 56 * 256 + 56 * 56)],
    [{ kernelSize: 3 }, [3, 5, 7, 16], 60, 3 * 18 * (12 * 16 + 35)],
    [{ spatial: false }, [1, 5, 7, 16], 200, 98 * 12 * 16],
  ],
  refused: [
    [{ kernelSize: 4 }, 'TripletAttention: option "kernelSize" is 4, but must be an odd whole number ≥ 1. Leave it out for the default, 7.'],
    [{ spatial: 'no' }, 'TripletAttention: option "spatial" is "no", but must be true or false. Leave it out for the default, true.'],
    [{ kernel: 3 }, 'TripletAttention: unknown option "kernel" (received 3). The options are kernelSize, spatial.'],
  ],
  refusedInputs: [
    [
      [null, 7, 6],
      'TripletAttention: the input has shape [null, 7, 6], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.',
    ],
    [
      [null, 7, 0, 6],
      'TripletAttention: the input has shape [null, 7, 0, 6], but each position axis must have at least 1. Give a larger map, or leave the block out at this depth.',
    ],
  ],
});

testGoldens(path.join(folder, 'test/golden'), { triplet: fromTorch });

onEachBackend((backend) => {
  test.each<[shape: number[], options: TripletAttentionOptions]>(
    casesOn(backend, [
      [[1, 9, 4, 13], { kernelSize: 5 }],
      [[3, 1, 1, 8], { kernelSize: 1, spatial: false }],
      [[2, 6, 3, 5], { kernelSize: 3 }],
      // Planes that wasm convolves eight columns at a time: [W, C] and [H, C].
      [[1, 5, 22, 48], {}],
      [[1, 22, 3, 48], { spatial: false }],
    ]),
  )('equals plain ops on %j with %j', async (shape, options) => {
    await equalsPlain(tripletAttention(options), shape, plain);
  });
});

test('adds to a ResNet-50 the parameters and multiply-adds of the official network', () => {
  const stages = [
    [3, 56, 256],
    [4, 28, 512],
    [6, 14, 1024],
    [3, 7, 2048],
  ];
  const total = (of: 'params' | 'macs') =>
    stages.reduce((sum, [blocks, side, channels]) => sum + blocks * tripletAttention().cost([1, side, side, channels])[of], 0);
  expect(total('params')).toBe(25_561_832 - 25_557_032);
  expect((4_089_184_256 + total('macs')) / 1e9).toBeCloseTo(4.136, 3);
});

test('starts with a spatial gate of 1/2, and with others that see the map', async () => {
  const { width, height, spatial } = tripletAttention().attentionMaps(random([2, 5, 6, 16]));
  const values = async (gate: tf.Tensor) => new Set(await gate.data()).size;
  expect(new Set(await spatial.data())).toEqual(new Set([0.5]));
  expect(await values(width)).toBeGreaterThan(100);
  expect(await values(height)).toBeGreaterThan(100);
});

test('once built, takes maps of any number of channels', async () => {
  const layer = tripletAttention();
  layer.build([null, null, null, 6]);
  randomiseWeights(layer);
  const x = random([2, 3, 4, 11]) as tf.Tensor4D;
  await closeTo(layer.apply(x) as tf.Tensor, plain(layer, x).y, 2e-5);
});

describe('from PyTorch', () => {
  const { tensors } = readSafetensors(readFileSync(path.join(folder, 'test/golden/triplet-basic.safetensors')));
  const state = Object.fromEntries(Object.entries(tensors).flatMap(([key, value]) => (key.startsWith('state.') ? [[key.slice(6), value]] : [])));

  test('with the names of the released networks', async () => {
    const released = { 'cw.conv': 'ChannelGateH.spatial', 'hc.conv': 'ChannelGateW.spatial', 'hw.conv': 'SpatialGate.spatial' };
    const renamed = Object.fromEntries(
      Object.entries(state).map(([key, value]) => [key.replace(/^..\.conv/, (branch) => released[branch as keyof typeof released]), value]),
    );
    const x = random([1, 5, 6, 7], 4);
    const expected = fromTorch({ config: {}, state }).apply(x) as tf.Tensor;
    await closeTo(fromTorch({ config: { gate_channels: 7, reduction_ratio: 16 }, state: renamed }).apply(x) as tf.Tensor, expected, 0);
  });

  test.each([
    [{ kernel_size: 3 }, /"cw.conv.conv.weight" has shape \[1, 2, 7, 7\], but must be \[1, 2, 3, 3\]/],
    [{ no_spatial: true }, /"hw.conv.conv.weight" \[1, 2, 7, 7\] is left over/],
    [{ nospatial: true }, /^TripletAttention: unknown argument "nospatial" .* Did you mean "no_spatial"\?/],
  ])('refuses %j, which does not fit', (config, message) => {
    expect(() => fromTorch({ config: config as never, state })).toThrow(message);
  });
});

testReadme(folder);

/** Triplet attention at inference, as its PyTorch code reads: channels first, rotated and rotated back. */
function plain(layer: TripletAttention, x: tf.Tensor4D): { y: tf.Tensor; width: tf.Tensor; height: tf.Tensor; spatial?: tf.Tensor } {
  const weight = (path: string) => layer.weights.find(({ originalName }) => originalName.endsWith(path))!.read();
  const channelsFirst = tf.transpose(x, [0, 3, 1, 2]);
  const branch = (name: string, rotation: [number, number, number, number]) => {
    const rotated = tf.transpose(channelsFirst, rotation);
    const pooled = tf.transpose(tf.concat([tf.max(rotated, 1, true), tf.mean(rotated, 1, true)], 1), [0, 2, 3, 1]) as tf.Tensor4D;
    const logits = tf.conv2d(pooled, weight(`${name}/conv/kernel`) as tf.Tensor4D, 1, 'same');
    const normal = tf.div(tf.sub(logits, weight(`${name}/norm/movingMean`)), tf.sqrt(tf.add(weight(`${name}/norm/movingVariance`), 1e-5)));
    const gate = tf.sigmoid(tf.add(tf.mul(normal, weight(`${name}/norm/gamma`)), weight(`${name}/norm/beta`)));
    const plane = tf.squeeze<tf.Tensor3D>(gate, [3]);
    return { plane, y: tf.transpose(tf.mul(rotated, tf.expandDims(plane, 1)), rotation) };
  };
  const cw = branch('width', [0, 2, 1, 3]);
  const hc = branch('height', [0, 3, 2, 1]);
  const hw = layer.options.spatial ? branch('spatial', [0, 1, 2, 3]) : null;
  const sum = hw ? tf.div(tf.add(tf.add(hw.y, cw.y), hc.y), 3) : tf.div(tf.add(cw.y, hc.y), 2);
  return {
    y: tf.transpose(sum, [0, 2, 3, 1]),
    width: tf.transpose(cw.plane, [0, 2, 1]), // [N, C, W] to [N, W, C]
    height: hc.plane,
    ...(hw && { spatial: hw.plane }),
  };
}
