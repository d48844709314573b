import { useBackend } from '@saccade/backends';
import { attentionAugmentedConv, type AttentionAugmentedConv, type AttentionAugmentedConvOptions } from '@saccade/aa';
import { fromTensorFlow } from '@saccade/aa/torch';
import type { Cost } from '@saccade/core';
import { readSafetensors, type StateDict } from '@saccade/core/torch';
import { closeTo, equalsPlain, onEachBackend, peakMemory, type PlainResult, random, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

testBlock({
  package: '@saccade/aa',
  create: attentionAugmentedConv,
  input: [2, 5, 7, 6],
  fixedSize: true,
  options: { filters: 10, kernelSize: 5, stride: 2, heads: 2, keyChannels: 6, valueChannels: 4 },
  costs: [
    [{}, [1, 28, 28, 128], 174_952, 257_051_648],
    [{}, [1, 14, 14, 256], 624_848, 130_902_912],
    [{}, [1, 7, 7, 512], 2_330_232, 114_816_016],
  ],
  refused: [
    [
      { heads: 4, keyChannels: 6 },
      'AttentionAugmentedConv: option "keyChannels" is 6, but must be a multiple of the 4 heads. Give one, or other heads.',
    ],
    [{ heads: 4, valueChannels: 6 }, /option "valueChannels" is 6, but must be a multiple of the 4 heads/],
    [{}, 'AttentionAugmentedConv: 8 channels come from the attention, but the output has 6. Give fewer valueChannels, fewer heads, or more filters.'],
    [
      { positions: 'absolute' },
      'AttentionAugmentedConv: option "positions" is "absolute", but must be "relative" or "none". Leave it out for the default, "relative".',
    ],
  ],
  refusedInputs: [
    [
      [null, null, 7, 6],
      'AttentionAugmentedConv: the input has shape [null, null, 7, 6], but its tables of relative positions are as large as the map: each size but N must be known. Give an inputShape without null.',
    ],
  ],
});

// In the 3×3 convolutions of a ResNet-50's last three stages, the first of a stage with stride 2.
test.each([
  ['at least 20 dimensions a head, the published 25.8 M parameters', {}, 25_789_968, 4_744_384_816],
  ['no least dimensions, the published 8.3 G operations', { minHeadChannels: 1 }, 25_119_278, 4_144_502_904],
] as const)('makes AA-ResNet-50 of the size that it has: with %s', (_, options, params, macs) => {
  const total: { -readonly [K in keyof Cost]: Cost[K] } = { params: 25_557_032, macs: 4_089_184_256 };
  for (const [channels, side, blocks] of [
    [128, 28, 4],
    [256, 14, 6],
    [512, 7, 3],
  ]) {
    for (let i = 0; i < blocks; i++) {
      const stride = i === 0 ? 2 : 1;
      const cost = attentionAugmentedConv({ ...options, stride }).cost([1, stride * side, stride * side, channels]);
      total.params += cost.params - 9 * channels ** 2;
      total.macs += cost.macs - 9 * channels ** 2 * side ** 2;
    }
  }
  expect(total).toEqual({ params, macs });
});

onEachBackend((backend) => {
  const cases: [shape: number[], options: AttentionAugmentedConvOptions][] = [
    [[3, 4, 3, 20], { heads: 2, minHeadChannels: 3, valueRatio: 0.3, useBias: false }],
    [[1, 7, 5, 4], { filters: 9, kernelSize: 1, stride: 3, heads: 3, keyChannels: 6, valueChannels: 3 }],
  ];
  const more: typeof cases = [
    [[2, 5, 6, 4], { filters: 6, stride: 2, heads: 1, keyChannels: 3, valueChannels: 6, positions: 'none' }],
    [[1, 6, 4, 5], { filters: 8, kernelSize: 5, stride: 2, heads: 2, keyRatio: 0.8, minHeadChannels: 1 }],
    [[1, 1, 1, 8], { heads: 2, keyChannels: 4, valueChannels: 4 }],
  ];
  test.each(backend === 'webgpu' ? cases : [...cases, ...more])('equals plain ops on %j with %j', async (shape, options) => {
    await equalsPlain(attentionAugmentedConv(options), shape, plain);
  });
});

test('without relative positions a layer takes maps of any size', () => {
  const layer = attentionAugmentedConv({ positions: 'none', heads: 2 });
  for (const size of [
    [3, 5],
    [8, 4],
  ]) {
    expect((layer.apply(random([1, ...size, 6])) as tf.Tensor).shape).toEqual([1, ...size, 6]);
  }
});

test('with all channels from the attention there is no convolution', () => {
  const layer = attentionAugmentedConv({ filters: 4, heads: 2, keyChannels: 4, valueChannels: 4 });
  layer.build([null, 2, 2, 3]);
  expect(weightOf(layer, 'conv/kernel')).toBeUndefined();
});

test("starts as TensorFlow's layers do", () => {
  const layer = attentionAugmentedConv();
  layer.build([null, 4, 4, 64]);
  // Glorot and Bengio: uniform within √(6 / (fan in + fan out)); d_k is 160 and d_v 8.
  for (const [name, fans] of Object.entries({ conv: 9 * 64 + 9 * 56, kqv: 64 + 328, out: 8 + 8 })) {
    const limit = Math.sqrt(6 / fans);
    const [kernel, bias] = ['kernel', 'bias'].map((part) => weightOf(layer, `${name}/${part}`)!);
    const largest = tf.max(tf.abs(kernel)).dataSync()[0];
    expect(largest).toBeLessThanOrEqual(limit * (1 + 1e-6));
    expect(largest).toBeGreaterThan(0.8 * limit);
    expect(bias.dataSync().every((value) => value === 0)).toBe(true);
  }
});

// 1600 positions and 8 heads: all pairs would take 82 MB.
test('never holds the attention of all pairs', async () => {
  await useBackend('wasm');
  const { forward, training } = await peakMemory(attentionAugmentedConv({ keyChannels: 16 }), random([1, 40, 40, 16]));
  expect(forward).toBeLessThan(6);
  expect(training).toBeLessThan(20);
});

testGoldens(path.join(folder, 'test/golden'), { aaconv: fromTensorFlow });

describe('from TensorFlow', () => {
  const { tensors } = readSafetensors(readFileSync(path.join(folder, 'test/golden/aaconv-rel-basic.safetensors')));
  const state: StateDict = Object.fromEntries(
    Object.entries(tensors).flatMap(([key, value]) => (key.startsWith('state.') ? [[key.slice(6), value]] : [])),
  );
  const config = { in_channels: 8, Fout: 12, kernel: 3, dk: 8, dv: 4, Nh: 2, relative: true };
  const without = (...names: string[]): StateDict => Object.fromEntries(Object.entries(state).filter(([name]) => !names.includes(name)));

  test('reads a layer without relative positions', async () => {
    const layer = fromTensorFlow({ config: { ...config, relative: false }, state: without('r_height', 'r_width') });
    const x = random([1, 5, 3, 8]) as tf.Tensor4D;
    await closeTo(layer.apply(x) as tf.Tensor, plain(layer, x).y);
  });

  test.each<[object, StateDict, string | RegExp]>([
    [{ relative: false }, state, /"r_width" \[7, 4\] is left over; "r_height" \[7, 4\] is left over/],
    [{}, without('r_height'), 'augmented_conv2d: "r_height" is missing, but relative is true. Add it, or set relative to false.'],
    [{ dk: 4 }, state, /"conv2d_1__kernel" has shape \[20, 8, 1, 1\], but must be \[12, 8\]/],
    [{ stride: 2 }, state, /^augmented_conv2d: unknown argument "stride"/],
    [{ Nh: undefined }, state, /^augmented_conv2d: missing argument "Nh"/],
  ])('refuses %j with another state', (change, tensors, message) => {
    expect(() => fromTensorFlow({ config: { ...config, ...change }, state: tensors })).toThrow(message);
  });
});

testReadme(folder);

function weightOf(layer: AttentionAugmentedConv, name: string): tf.Tensor | undefined {
  return layer.weights.find(({ originalName }) => originalName === `${layer.name}/${name}`)?.read();
}

/** The layer as the paper's equations read, with a table of all pairs of positions. */
function plain(layer: AttentionAugmentedConv, x: tf.Tensor4D): PlainResult {
  const { stride, heads, kernelSize } = layer.options;
  const convolution = (name: string, x: tf.Tensor4D, side: number, stride: number): tf.Tensor4D => {
    const kernel = weightOf(layer, `${name}/kernel`)!;
    const filter: tf.Tensor4D = tf.reshape(kernel, [side, side, x.shape[3], kernel.shape.at(-1)!]);
    const y = tf.conv2d(framed(x, (side - 1) / 2), filter, stride, 'valid');
    return tf.add(y, weightOf(layer, `${name}/bias`) ?? 0);
  };
  const pooled = stride === 1 ? x : tf.div<tf.Tensor4D>(sumsOf3x3(x, stride), sumsOf3x3(tf.onesLike(x), stride));
  const [batch, height, width] = pooled.shape;
  const count = height * width;
  const values = weightOf(layer, 'out/kernel')!.shape[0];
  const kqv = convolution('kqv', pooled, 1, 1);
  const keys = (kqv.shape[3] - values) / 2;
  const [k, q, v] = tf
    .split<tf.Tensor>(kqv, [keys, keys, values], 3)
    .map((part) => tf.transpose(tf.reshape(part, [batch, count, heads, -1]), [0, 2, 1, 3]));
  const pairs = Array.from({ length: count ** 2 }, (_, pair) => [Math.floor(pair / count), pair % count]);
  const logitsOf = (name: string, size: number, at: (position: number) => number): tf.Tensor | number => {
    const table = weightOf(layer, `positions/${name}`);
    if (!table) return 0;
    const distances = pairs.map(([query, key]) => at(key) - at(query) + size - 1);
    const embeddings = tf.reshape(tf.gather(table, distances), [1, 1, count, count, -1]);
    return tf.sum(tf.mul(tf.expandDims(q, 3), embeddings), 4);
  };
  const positions = tf.add(
    logitsOf('height', height, (position) => Math.floor(position / width)),
    logitsOf('width', width, (position) => position % width),
  );
  const attention = tf.softmax(tf.div(tf.add(tf.matMul(q, k, false, true), positions), Math.sqrt(keys / heads)));
  const attended: tf.Tensor4D = tf.reshape(tf.transpose(tf.matMul(attention, v), [0, 2, 1, 3]), [batch, height, width, values]);
  const projected = convolution('out', attended, 1, 1);
  const y = weightOf(layer, 'conv/kernel') ? tf.concat([convolution('conv', x, kernelSize, stride), projected], 3) : projected;
  // The middle of the input, as a position of the output.
  const middle = Math.floor((x.shape[1] * x.shape[2]) / 2);
  const nearest = Math.floor(Math.floor(middle / x.shape[2]) / stride) * width + Math.floor((middle % x.shape[2]) / stride);
  return { y, query: tf.slice(attention, [0, 0, nearest, 0], [-1, -1, 1, -1]) };
}

function sumsOf3x3(x: tf.Tensor4D, stride: number): tf.Tensor4D {
  return tf.depthwiseConv2d(framed(x, 1), tf.ones([3, 3, x.shape[3], 1]), stride, 'valid');
}

function framed(x: tf.Tensor4D, edge: number): tf.Tensor4D {
  const sides: [number, number] = [edge, edge];
  return tf.pad(x, [[0, 0], sides, sides, [0, 0]]);
}
