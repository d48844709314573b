import type { Block, Cost } from '@saccade/core';
import { readSafetensors, type StateDict } from '@saccade/core/torch';
import {
  seaFormerBlock,
  squeezeAxialAttention,
  type SeaFormerBlock,
  type SeaFormerBlockOptions,
  type SqueezeAxialAttention,
  type SqueezeAxialAttentionOptions,
} from '@saccade/sea';
import { fromTorch } from '@saccade/sea/torch';
import { equalsPlain, onEachBackend, random, testBlock, testGoldens, testReadme, type PlainResult } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

describe('SqueezeAxialAttention', () => {
  testBlock({
    package: '@saccade/sea',
    create: squeezeAxialAttention,
    input: [2, 3, 4, 6],
    // Without the kinks of a ReLU.
    options: { heads: 2, headChannels: 3, attentionRatio: 1.5, activation: 'silu' },
    // Where and as the networks have them.
    costs: [
      [{ heads: 4, headChannels: 16 }, [1, 7, 7, 128], 123_136, 4_375_168],
      [{ heads: 4, headChannels: 24 }, [1, 4, 4, 160], 239_872, 2_817_024],
      [{ heads: 6, headChannels: 16 }, [1, 7, 7, 160], 239_872, 8_240_064],
      [{ heads: 6, headChannels: 24 }, [1, 4, 4, 192], 460_992, 5_184_000],
      [{}, [1, 7, 7, 192], 393_472, 13_223_168],
      [{ headChannels: 24 }, [1, 4, 4, 256], 811_264, 9_172_992],
    ],
    refused: [
      [{ heads: 0 }, 'SqueezeAxialAttention: option "heads" is 0, but must be a whole number ≥ 1. Leave it out for the default, 8.'],
      [
        { headChannels: 3, attentionRatio: 0.3 },
        'SqueezeAxialAttention: attentionRatio 0.3 times 3 headChannels leaves no channel for values. Give a product of at least 1.',
      ],
      [
        { keyChannels: 8 },
        'SqueezeAxialAttention: unknown option "keyChannels" (received 8). Did you mean "headChannels"? The options are heads, headChannels, attentionRatio, activation.',
      ],
    ],
    refusedInputs: [[[null, 7, 6], /SqueezeAxialAttention: the input has shape .*, of rank 3, but must be \[N, height, width, channels\]/]],
  });

  onEachBackend((backend) => {
    // Axes shorter and longer than the table of positions, and as long.
    const cases: [shape: number[], options: SqueezeAxialAttentionOptions][] = [
      [[1, 21, 5, 6], { heads: 2, headChannels: 3, attentionRatio: 1.5, activation: 'relu' }],
      [[3, 1, 16, 5], { heads: 3, headChannels: 2, attentionRatio: 4 }],
      [[2, 17, 1, 4], { heads: 1, headChannels: 5, attentionRatio: 0.4 }],
    ];
    test.each(backend === 'webgpu' ? cases.slice(0, 1) : cases)('equals plain ops on %j with %j', async (shape, options) => {
      await equalsPlain(squeezeAxialAttention(options), shape, (layer, x) => plainAttention(weightsOf(layer), layer.options, x));
    });
  });

  test('starts with all gates at one half', async () => {
    const layer = squeezeAxialAttention({ heads: 2, headChannels: 3 });
    const x = random([2, 5, 4, 6]) as tf.Tensor4D;
    const y = layer.apply(x) as tf.Tensor4D;
    const weight = weightsOf(layer);
    const qkv = plainConvNorm(weight, 'project', x);
    const details = plainConvNorm(weight, 'restore', tf.relu6(plainConvNorm(weight, 'enhance', qkv)));
    expect(tf.max(tf.abs(tf.sub(tf.mul(y, 2), details))).dataSync()[0]).toBeLessThan(1e-5);
  });
});

describe('SeaFormerBlock', () => {
  testBlock({
    package: '@saccade/sea',
    create: seaFormerBlock,
    input: [2, 4, 3, 6],
    options: { heads: 2, headChannels: 3, attentionRatio: 1.5, activation: 'silu', mlpRatio: 1.5, dropPath: 0.001 },
    costs: [[{ heads: 4, headChannels: 16, mlpRatio: 2 }, [1, 7, 7, 128], 192_000, 7_699_328]],
    refused: [
      [{ mlpRatio: 0.125 }, 'SeaFormerBlock: mlpRatio 0.125 leaves no channel of 6. Give an mlpRatio of at least 1 / 6.'],
      [{ dropPath: 1 }, 'SeaFormerBlock: option "dropPath" is 1, but must be a number ≥ 0 and < 1. Leave it out for the default, 0.'],
      [{ headChannels: 1, attentionRatio: 0.5 }, /^SqueezeAxialAttention: attentionRatio 0.5 times 1 headChannels leaves no channel for values/],
    ],
    refusedInputs: [[[null, 7, 6], /SeaFormerBlock: the input has shape .*, of rank 3, but must be \[N, height, width, channels\]/]],
  });

  onEachBackend(() => {
    test('equals plain ops with all options', async () => {
      const options: SeaFormerBlockOptions = { heads: 3, headChannels: 2, attentionRatio: 3, activation: 'relu', mlpRatio: 1.25, dropPath: 0.5 };
      await equalsPlain(seaFormerBlock(options), [3, 6, 5, 6], plainBlock);
    });
  });

  test('leaves branches out in training, image by image, and scales those that it keeps', () => {
    const x = random([48, 2, 3, 4]) as tf.Tensor4D;
    const sure = seaFormerBlock({ heads: 2, headChannels: 2 });
    sure.build(x.shape);
    // The second branch gives nothing.
    sure.weights.find(({ originalName }) => originalName.endsWith('reduce/norm/gamma'))!.write(tf.zeros([4]));
    const layer = seaFormerBlock({ heads: 2, headChannels: 2, dropPath: 0.5 });
    layer.build(x.shape);
    layer.setWeights(sure.getWeights());
    const branch = (layer: SeaFormerBlock) => tf.sub(layer.apply(x, { training: true }) as tf.Tensor4D, x);
    const ratios = tf.div(tf.sum(branch(layer), [1, 2, 3]), tf.sum(branch(sure), [1, 2, 3])).dataSync();
    const [left, kept] = [0, 2].map((ratio) => ratios.filter((found) => Math.abs(found - ratio) < 1e-3).length);
    expect(left + kept).toBe(48);
    expect(Math.min(left, kept)).toBeGreaterThan(6);
  });

  // Of the official networks for classification, 224×224 pixels.
  test.each<[name: keyof typeof NETWORKS, params: number, macs: number]>([
    ['T', 1_781_096, 93_332_544],
    ['S', 4_105_656, 177_451_712],
    ['B', 8_742_664, 315_160_320],
    ['L', 14_046_504, 1_161_219_520],
  ])('makes SeaFormer-%s of the size that it has', (name, params, macs) => {
    expect(network(NETWORKS[name])).toEqual({ params, macs });
  });
});

testGoldens(path.join(folder, 'test/golden'), { seaformer: fromTorch });

describe('from PyTorch', () => {
  const golden = (name: string): StateDict => {
    const { tensors } = readSafetensors(readFileSync(path.join(folder, `test/golden/seaformer-${name}.safetensors`)));
    return Object.fromEntries(Object.entries(tensors).flatMap(([key, value]) => (key.startsWith('state.') ? [[key.slice(6), value]] : [])));
  };
  const attention = { dim: 16, key_dim: 4, num_heads: 2 };
  const block = { dim: 12, key_dim: 3, num_heads: 2, mlp_ratio: 2 };

  test('tells the attention and the block apart, with the defaults of the official code', () => {
    const single = fromTorch({ config: attention, state: golden('basic') });
    expect(single.getClassName()).toBe('SaccadeSqueezeAxialAttention');
    expect(single.options).toEqual({ heads: 2, headChannels: 4, attentionRatio: 2, activation: 'relu6' });
    const whole = fromTorch({ config: { ...block, drop_path: 0.1 }, state: golden('block') });
    expect(whole.getClassName()).toBe('SaccadeSeaFormerBlock');
    expect(whole.options).toEqual({ heads: 2, headChannels: 3, attentionRatio: 2, activation: 'relu', mlpRatio: 2, dropPath: 0.1 });
  });

  test('knows a block by its state dict alone', () => {
    const { mlp_ratio: _, ...config } = block;
    // mlp_ratio is 4 where it is left out.
    expect(() => fromTorch({ config, state: golden('block') })).toThrow('"mlp.fc1.c.weight" has shape [24, 12, 1, 1], but must be [48, 12, 1, 1]');
  });

  test.each([
    ['basic', { ...attention, key_dims: 4 }, /^Sea_Attention: unknown argument "key_dims" .* Did you mean "key_dim"\?/],
    ['basic', { dim: 16, key_dim: 4 }, /^Sea_Attention: missing argument "num_heads"/],
    ['basic', { ...attention, activation: 'GELU' }, /^Sea_Attention: activation is "GELU", but must be .* Leave it out for the default, "ReLU6"\.$/],
    ['block', { ...block, activation: 'GELU' }, /^Block: activation is "GELU", but must be .* Leave it out for the default, "ReLU"\.$/],
    // As many rows in all.
    [
      'basic',
      { ...attention, num_heads: 1, attn_ratio: 6 },
      /^Sea_Attention: the state dict does not fit: "to_q.c.weight" has shape \[8, 16, 1, 1\], but must be \[4, 16, 1, 1\]; .*"to_v.bn.running_var" has shape \[16\], but must be \[24\]\. Check/,
    ],
  ])('refuses, of %s, the arguments %j', (name, config, message) => {
    expect(() => fromTorch({ config: config as never, state: golden(name) })).toThrow(message);
  });

  test('refuses a state dict that does not fit, naming the tensors', () => {
    const { 'attn.to_k.bn.bias': _, ...state } = golden('block');
    expect(() => fromTorch({ config: block, state })).toThrow(
      'Block: the state dict does not fit: "attn.to_k.bn.bias" [6] is missing. Check that it is of this module alone and that the arguments are those it was made with.',
    );
    expect(() => fromTorch({ config: block, state: { ...golden('block'), 'attn.to_x.bn.bias': { shape: [1], data: new Float32Array(1) } } })).toThrow(
      '"attn.to_x.bn.bias" [1] is left over',
    );
  });
});

testReadme(folder);

type Weights = (path: string) => tf.Tensor;

function weightsOf(layer: Block<object>, prefix = ''): Weights {
  return (path) => layer.weights.find(({ originalName }) => originalName.endsWith(`/${prefix}${path}`))!.read();
}

/** Sea_Attention at inference, as its PyTorch code reads. */
function plainAttention(
  weight: Weights,
  { heads, headChannels, attentionRatio, activation }: SqueezeAxialAttention['options'],
  x: tf.Tensor4D,
): PlainResult & { readonly y: tf.Tensor4D; readonly row: tf.Tensor; readonly column: tf.Tensor } {
  const keys = heads * headChannels;
  const values = heads * Math.floor(attentionRatio * headChannels);
  const act = activation === 'relu' ? tf.relu : tf.relu6;
  const qkv = plainConvNorm(weight, 'project', x);
  const details = plainConvNorm(weight, 'restore', act(plainConvNorm(weight, 'enhance', qkv)));
  const [q, k, v] = tf.split<tf.Tensor4D>(qkv, [keys, keys, values], 3);
  const along = (axis: 'row' | 'column') => {
    const mean = (x: tf.Tensor4D) => tf.mean<tf.Tensor3D>(x, axis === 'row' ? 2 : 1);
    const placed = (x: tf.Tensor4D, table: string) => tf.add(mean(x), interpolated(weight(`${axis}/${table}`), mean(x).shape[1]));
    const perHead = (x: tf.Tensor) => tf.split<tf.Tensor3D>(x, heads, 2);
    const [qs, ks, vs] = [placed(q, 'queryPositions'), placed(k, 'keyPositions'), mean(v)].map(perHead);
    const maps = qs.map((query, head) => tf.softmax(tf.div(tf.matMul(query, ks[head], false, true), Math.sqrt(headChannels))));
    const attended = tf.concat(
      maps.map((map, head) => tf.matMul(map, vs[head])),
      2,
    );
    const strip = tf.expandDims<tf.Tensor4D>(act(attended), axis === 'row' ? 2 : 1);
    return { map: tf.stack(maps, 1), context: plainConvNorm(weight, `${axis}/encode`, strip) };
  };
  const [row, column] = [along('row'), along('column')];
  const context = tf.add<tf.Tensor4D>(v, tf.add(row.context, column.context));
  const gate = tf.div(tf.relu6(tf.add(plainConvNorm(weight, 'fuse', act(context)), 3)), 6);
  return { y: tf.mul(gate, details), row: row.map, column: column.map };
}

/** Block at inference, as its PyTorch code reads. */
function plainBlock(layer: SeaFormerBlock, x: tf.Tensor4D): PlainResult {
  const { y, ...maps } = plainAttention(weightsOf(layer, 'attention/'), layer.options, x);
  const weight = weightsOf(layer);
  const attended = tf.add<tf.Tensor4D>(x, y);
  const mixed = tf.depthwiseConv2d(plainConvNorm(weight, 'expand', attended), weight('mix/kernel') as tf.Tensor4D, 1, 'same');
  const fed = plainConvNorm(weight, 'reduce', tf.relu(tf.add(mixed, weight('mix/bias'))));
  return { y: tf.add(attended, fed), ...maps };
}

/** A table `[16, channels, 1]` for so many positions, each with weights that fall with the distance from it: F.interpolate without aligned corners. */
function interpolated(table: tf.Tensor, length: number): tf.Tensor2D {
  const rows = Array.from({ length }, (_, i) => {
    const at = Math.min(15, Math.max(0, ((2 * i + 1) * 8) / length - 0.5));
    return Array.from({ length: 16 }, (_, j) => Math.max(0, 1 - Math.abs(at - j)));
  });
  return tf.matMul(tf.tensor2d(rows), tf.squeeze<tf.Tensor2D>(table, [2]));
}

/** A convolution, depthwise where its kernel is, and its batch norm. */
function plainConvNorm(weight: Weights, name: string, x: tf.Tensor4D): tf.Tensor4D {
  const kernel = weight(`${name}/conv/kernel`) as tf.Tensor4D;
  const y = name === 'enhance' ? tf.depthwiseConv2d(x, kernel, 1, 'same') : tf.conv2d(x, kernel, 1, 'same');
  const normal = tf.div(tf.sub(y, weight(`${name}/norm/movingMean`)), tf.sqrt(tf.add(weight(`${name}/norm/movingVariance`), 1e-5)));
  return tf.add(tf.mul(normal, weight(`${name}/norm/gamma`)), weight(`${name}/norm/beta`));
}

interface Network {
  /** Of the stem, and of each stage: kernel size, expansion, filters, stride. */
  readonly stem: number;
  readonly stages: readonly (readonly (readonly [side: number, expansion: number, filters: number, stride: number])[])[];
  /** Of the last stages, after which there are so many blocks. */
  readonly depth: number;
  readonly heads: number;
  readonly headChannels: readonly number[];
  readonly mlpRatios: readonly number[];
}

function small([a, b, c, d, e]: readonly number[], expansion: number, rest: Pick<Network, 'depth' | 'heads'>): Network {
  const stages: Network['stages'] = [
    [
      [3, 1, 16, 1],
      [3, 4, a, 2],
      [3, 3, a, 1],
    ],
    [
      [5, 3, b, 2],
      [5, 3, b, 1],
    ],
    [
      [3, 3, c, 2],
      [3, 3, c, 1],
    ],
    [[5, expansion, d, 2]],
    [[3, 6, e, 2]],
  ];
  return { stem: 16, stages, headChannels: [16, 24], mlpRatios: [2, 4], ...rest };
}

const NETWORKS = {
  T: small([16, 32, 64, 128, 160], 3, { depth: 2, heads: 4 }),
  S: small([24, 48, 96, 160, 192], 4, { depth: 3, heads: 6 }),
  B: small([32, 64, 128, 192, 256], 4, { depth: 4, heads: 8 }),
  L: {
    stem: 32,
    stages: [
      [
        [3, 3, 32, 1],
        [3, 4, 64, 2],
        [3, 4, 64, 1],
      ],
      [
        [5, 4, 128, 2],
        [5, 4, 128, 1],
      ],
      [
        [3, 4, 192, 2],
        [3, 4, 192, 1],
      ],
      [[5, 4, 256, 2]],
      [[3, 6, 320, 2]],
    ],
    depth: 3,
    heads: 8,
    headChannels: [16, 20, 24],
    mlpRatios: [2, 4, 6],
  },
} satisfies Record<string, Network>;

/** A SeaFormer with 1000 classes: inverted residuals (Sandler et al. 2018), and after those of the last stages our blocks. */
function network({ stem, stages, depth, heads, headChannels, mlpRatios }: Network): Cost {
  let [size, channels] = [112, stem];
  const costs: Cost[] = [convNormCost(size, 3, 3 * channels, channels)];
  for (const [stage, units] of stages.entries()) {
    for (const [side, expansion, filters, stride] of units) {
      const width = expansion * channels;
      if (expansion > 1) costs.push(convNormCost(size, 1, channels * width, width));
      size = Math.ceil(size / stride);
      costs.push(convNormCost(size, side, width, width), convNormCost(size, 1, width * filters, filters));
      channels = filters;
    }
    const attending = stage - stages.length + headChannels.length;
    if (attending < 0) continue;
    const block = seaFormerBlock({ heads, headChannels: headChannels[attending], mlpRatio: mlpRatios[attending] });
    costs.push(...Array.from({ length: depth }, () => block.cost([1, size, size, channels])));
  }
  costs.push({ params: 1000 * (channels + 1), macs: 1000 * channels });
  return { params: costs.reduce((sum, { params }) => sum + params, 0), macs: costs.reduce((sum, { macs }) => sum + macs, 0) };
}

/** Of a convolution with so many values in its kernel at each tap, and its batch norm. */
function convNormCost(size: number, side: number, values: number, filters: number): Cost {
  return { params: side * side * values + 2 * filters, macs: size * size * side * side * values };
}
