import { useBackend } from '@saccade/backends';
import {
  bottleneckSelfAttention,
  bottleneckTransformerBlock,
  type BottleneckSelfAttention,
  type BottleneckSelfAttentionOptions,
  type BottleneckTransformerBlock,
  type BottleneckTransformerBlockOptions,
} from '@saccade/botnet';
import { fromTimm, fromTorch } from '@saccade/botnet/torch';
import type { Block } from '@saccade/core';
import { readSafetensors, type StateDict } from '@saccade/core/torch';
import { closeTo, equalsPlain, onEachBackend, peakMemory, type PlainResult, random, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

describe('BottleneckSelfAttention', () => {
  testBlock({
    package: '@saccade/botnet',
    create: bottleneckSelfAttention,
    input: [2, 3, 5, 6],
    fixedSize: true,
    options: { filters: 4, heads: 2, headChannels: 3, stride: 2, scalePositions: false, useBias: true },
    costs: [
      [{}, [1, 14, 14, 512], 793_344, 198_897_664],
      [{}, [1, 7, 7, 512], 789_760, 41_646_080],
      [{ positions: 'absolute' }, [1, 7, 7, 512], 788_224, 40_993_792],
    ],
    refused: [
      [
        { filters: 6 },
        'BottleneckSelfAttention: the output has 6 channels, which must be a multiple of the 4 heads. Give other filters, or other heads.',
      ],
      [
        { positions: 'none' },
        'BottleneckSelfAttention: option "positions" is "none", but must be "relative" or "absolute". Leave it out for the default, "relative".',
      ],
    ],
    refusedInputs: [
      [
        [null, 3, null, 6],
        'BottleneckSelfAttention: the input has shape [null, 3, null, 6], but its table of relative positions is as large as the map: each size but N must be known. Give an inputShape without null.',
      ],
      [[null, 1, 5, 6], /but each position axis must have at least 2/],
    ],
  });

  onEachBackend((backend) => {
    const cases: [shape: number[], options: BottleneckSelfAttentionOptions][] = [
      [[3, 4, 3, 5], { filters: 6, heads: 3, headChannels: 5, scalePositions: false, useBias: true }],
      [[1, 5, 4, 8], { stride: 2, heads: 2, positions: 'absolute', scalePositions: false }],
    ];
    const more: typeof cases = [
      [[2, 3, 7, 4], { stride: 3, heads: 1 }],
      [[2, 2, 5, 6], { heads: 2, headChannels: 4, positions: 'absolute', useBias: true }],
      [[1, 1, 1, 4], {}],
    ];
    test.each(backend === 'webgpu' ? cases : [...cases, ...more])('equals plain ops on %j with %j', async (shape, options) => {
      await equalsPlain(bottleneckSelfAttention(options), shape, (layer, x) => plainAttention(layer, '', layer.options, x));
    });
  });

  // 1600 positions and 4 heads: all pairs would take 41 MB.
  test.each(['relative', 'absolute'] as const)('never holds the attention of all pairs, with %s positions', async (positions) => {
    await useBackend('wasm');
    const { forward, training } = await peakMemory(bottleneckSelfAttention({ positions }), random([1, 40, 40, 8]));
    expect(forward).toBeLessThan(6);
    expect(training).toBeLessThan(20);
  });
});

describe('BottleneckTransformerBlock', () => {
  testBlock({
    package: '@saccade/botnet',
    create: bottleneckTransformerBlock,
    input: [2, 4, 6, 6],
    fixedSize: true,
    options: {
      filters: 8,
      reduction: 2,
      heads: 2,
      headChannels: 3,
      stride: 2,
      positions: 'absolute',
      scalePositions: false,
      useBias: true,
      shortcutKernelSize: 3,
      activation: 'silu',
    },
    costs: [
      [{}, [1, 14, 14, 2048], 2_896_640, 609_939_456],
      [{ useBias: true }, [1, 14, 14, 2048], 2_898_176, 609_939_456],
    ],
    refused: [
      [
        { filters: 24 },
        'BottleneckTransformerBlock: the attention sees 24 / 4 = 6 channels, which must be a multiple of the 4 heads. Give headChannels, or other heads.',
      ],
      [{ filters: 3 }, /reduction 4 leaves no channel of 3/],
      [{ shortcutKernelSize: 2 }, /option "shortcutKernelSize" is 2, but must be an odd whole number/],
    ],
    refusedInputs: [
      [
        [null, 4, 5, 6],
        'BottleneckTransformerBlock: the input has shape [null, 4, 5, 6], but option "stride" is 2, which must divide its height and width. Pad or resize the map, or give another stride.',
      ],
      [[null, null, 6, 6], /but its table of absolute positions is as large as the map/],
    ],
  });

  onEachBackend((backend) => {
    const cases: [shape: number[], options: BottleneckTransformerBlockOptions][] = [
      [[2, 3, 4, 8], { reduction: 2, heads: 2, activation: 'hardSwish' }],
      [[1, 4, 6, 6], { filters: 8, reduction: 1, heads: 2, headChannels: 3, stride: 2, shortcutKernelSize: 3, scalePositions: false }],
    ];
    const more: typeof cases = [
      [[3, 3, 3, 4], { filters: 9, reduction: 4, heads: 1, positions: 'absolute', useBias: true }],
      [[1, 3, 6, 8], { reduction: 1, heads: 4, stride: 3 }],
    ];
    test.each(backend === 'webgpu' ? cases : [...cases, ...more])('equals plain ops on %j with %j', async (shape, options) => {
      await equalsPlain(bottleneckTransformerBlock(options), shape, plainBlock);
    });
  });

  test('starts as its shortcut', async () => {
    const x = random([2, 3, 4, 16]);
    await closeTo(bottleneckTransformerBlock().apply(x) as tf.Tensor, tf.relu(x), 0);
  });

  // 224×224 pixels; the last stage of a ResNet-50, three residual blocks of 2048 channels, is replaced.
  test.each([
    ['BoTNet-50', 2, 20_852_008, 4_024_557_568],
    ['BoTNet-S1-50', 1, 20_859_176, 5_418_045_440],
  ] as const)('makes %s of the size that it has', (_, stride, params, macs) => {
    const total = { params: 25_557_032 - 14_964_736, macs: 4_089_184_256 - 809_238_528 };
    let shape = [1, 14, 14, 1024];
    for (let i = 0; i < 3; i++) {
      const layer = bottleneckTransformerBlock({ filters: 2048, stride: i === 0 ? stride : 1 });
      const cost = layer.cost(shape);
      total.params += cost.params;
      total.macs += cost.macs;
      shape = layer.computeOutputShape(shape) as number[];
    }
    expect(total).toEqual({ params, macs });
  });
});

testGoldens(path.join(folder, 'test/golden'), { 'botnet-timm': fromTimm, 'botnet-lucid': fromTorch });

describe('from PyTorch', () => {
  const golden = (name: string): StateDict => {
    const { tensors } = readSafetensors(readFileSync(path.join(folder, `test/golden/botnet-${name}.safetensors`)));
    return Object.fromEntries(Object.entries(tensors).flatMap(([key, value]) => (key.startsWith('state.') ? [[key.slice(6), value]] : [])));
  };
  const zeros = (shapes: Record<string, number[]>): StateDict =>
    Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, { shape, data: new Float32Array(shape.reduce((a, b) => a * b)) }]));
  const timm = (dim: number, dqk: number, heads: number, filters: number, bias = false): StateDict => {
    const rows = 2 * heads * dqk + filters;
    const qkv = { 'qkv.weight': [rows, dim, 1, 1], ...(bias && { 'qkv.bias': [rows] }) };
    return zeros({ ...qkv, 'pos_embed.height_rel': [5, dqk], 'pos_embed.width_rel': [9, dqk] });
  };

  test.each([
    [{}, timm(16, 4, 4, 16), { filters: 16, heads: 4, headChannels: 4, stride: 1, scalePositions: false, useBias: false, positions: 'relative' }],
    [{ dim_out: 24, qk_ratio: 0.5, num_heads: 2, stride: 2 }, timm(16, 8, 2, 24), { filters: 24, headChannels: 8, stride: 2 }],
    [{ dim_out: 12, qkv_bias: true, scale_pos_embed: true }, timm(16, 4, 4, 12, true), { headChannels: 4, scalePositions: true, useBias: true }],
    [{ dim_out: 23, qk_ratio: 0.5, num_heads: 1 }, timm(16, 16, 1, 23), { headChannels: 16 }],
    [{ dim_out: 2, num_heads: 2 }, timm(16, 4, 2, 2), { headChannels: 4 }],
    [{ dim_head: 5, qk_ratio: 3, stride: 3 }, timm(16, 5, 4, 16), { headChannels: 5, stride: 1 }],
  ])("gives timm's arguments %j their meaning", (config, state, options) => {
    for (const feat_size of [undefined, [3, 5]] as const) {
      const layer = fromTimm({ config: { dim: 16, ...config, ...(feat_size && { feat_size }) }, state });
      expect(layer.options).toMatchObject(options);
      expect(layer.computeOutputShape([1, 3, 5, 16])).toHaveLength(4);
    }
  });

  test("has lucidrains' defaults", () => {
    const state = zeros({ 'to_qkv.weight': [1536, 6, 1, 1], 'pos_emb.height': [3, 128], 'pos_emb.width': [3, 128] });
    const options = { heads: 4, filters: 512, positions: 'absolute', scalePositions: true, useBias: false, stride: 1 };
    for (const fmap_size of [undefined, 3] as const) {
      expect(fromTorch({ config: { dim: 6, ...(fmap_size && { fmap_size }) }, state }).options).toMatchObject(options);
    }
  });

  test("reads lucidrains' block without a shortcut of its own, and with another activation", async () => {
    const state = Object.fromEntries(Object.entries(golden('lucid-block-down')).filter(([key]) => !key.startsWith('shortcut')));
    const same = { ...state, 'net.0.weight': { shape: [6, 24, 1, 1], data: new Float32Array(144).map((_, i) => Math.sin(i)) } };
    const config = { dim: 24, dim_out: 24, proj_factor: 4, downsample: false, heads: 2, dim_head: 4, rel_pos_emb: true, activation: 'SiLU' } as const;
    const layer = fromTorch({ config, state: same }) as BottleneckTransformerBlock;
    expect(layer.options).toMatchObject({ shortcutKernelSize: 1, stride: 1, activation: 'silu' });
    const x = random([1, 4, 6, 24]) as tf.Tensor4D;
    await closeTo(layer.apply(x) as tf.Tensor, plainBlock(layer, x).y);
  });

  test.each<[string, object, string | RegExp]>([
    ['timm-basic', { feat_size: [4, 5] }, /"pos_embed.width_rel" has shape \[7, 8\], but must be \[9, 8\]/],
    ['timm-basic', { qkv_bias: true, num_heads: 2 }, /"qkv.bias" \[48\] is missing/],
    ['timm-basic', { heads: 2 }, /^BottleneckAttn: unknown argument "heads"/],
  ])('refuses, of %s, the arguments %j', (name, config, message) => {
    expect(() => fromTimm({ config: { dim: 16, num_heads: 2, ...config }, state: golden(name) })).toThrow(message);
  });

  test.each<[string, object, string | RegExp]>([
    [
      'lucid-rel',
      { dim: 12, heads: 2, dim_head: 6 },
      'Attention: the state dict has no "pos_emb.height", and no size was given. Give one, or check that it is of this module.',
    ],
    ['lucid-rel', { dim: 12, heads: 2, dim_head: 6, downsample: true }, /^Attention: unknown argument "downsample"/],
    ['lucid-block-down', { dim: 12, dim_out: 24, proj_factor: 4 }, /^BottleBlock: missing argument "downsample"/],
    [
      'lucid-block-down',
      { dim: 12, dim_out: 24, proj_factor: 4, downsample: true, activation: 'GELU' },
      'BottleBlock: activation is "GELU", but must be "ReLU", "ReLU6", "SiLU", "Hardswish" or "LeakyReLU". Leave it out for the default, "ReLU".',
    ],
  ])('refuses, of %s, the arguments %j', (name, config, message) => {
    expect(() => fromTorch({ config: config as never, state: golden(name) })).toThrow(message);
  });
});

testReadme(folder);

function weightOf(layer: Block<object>, name: string): tf.Tensor | undefined {
  return layer.weights.find(({ originalName }) => originalName === `${layer.name}/${name}`)?.read();
}

/** Attention as the paper's equations read, with a table of all pairs of positions. */
function plainAttention(
  layer: Block<object>,
  prefix: string,
  { heads, stride, positions, scalePositions }: BottleneckSelfAttention['options'] | BottleneckTransformerBlock['options'],
  x: tf.Tensor4D,
): PlainResult & { readonly y: tf.Tensor4D } {
  const [batch, height, width, channels] = x.shape;
  const count = height * width;
  const kernel = weightOf(layer, `${prefix}qkv/kernel`)!;
  const tables = { height: weightOf(layer, `${prefix}positions/height`)!, width: weightOf(layer, `${prefix}positions/width`)! };
  const keyChannels = tables.height.shape[1]!;
  const values = kernel.shape[1]! - 2 * heads * keyChannels;
  const qkv = tf.add(tf.matMul(tf.reshape(x, [-1, channels]), kernel as tf.Tensor2D), weightOf(layer, `${prefix}qkv/bias`) ?? 0);
  const [q, k, v] = tf
    .split<tf.Tensor>(qkv, [heads * keyChannels, heads * keyChannels, values], 1)
    .map((part) => tf.transpose(tf.reshape(part, [batch, count, heads, -1]), [0, 2, 1, 3]));
  const pairs = Array.from({ length: count ** 2 }, (_, pair) => [Math.floor(pair / count), pair % count]);
  const logitsOf = (table: tf.Tensor, size: number, at: (position: number) => number): tf.Tensor => {
    const indices = pairs.map(([query, key]) => (positions === 'relative' ? at(key) - at(query) + size - 1 : at(key)));
    return tf.sum(tf.mul(tf.expandDims(q, 3), tf.reshape(tf.gather(table, indices), [1, 1, count, count, -1])), 4);
  };
  const ofPositions = tf.add(
    logitsOf(tables.height, height, (position) => Math.floor(position / width)),
    logitsOf(tables.width, width, (position) => position % width),
  );
  const scale = keyChannels ** -0.5;
  const attention = tf.softmax(tf.add(tf.mul(tf.matMul(q, k, false, true), scale), tf.mul(ofPositions, scalePositions ? scale : 1)));
  const attended: tf.Tensor4D = tf.reshape(tf.transpose(tf.matMul(attention, v), [0, 2, 1, 3]), [batch, height, width, values]);
  const y = stride === 1 ? attended : tf.avgPool(attended, stride, stride, 'valid');
  return { y, query: tf.slice(attention, [0, 0, Math.floor(count / 2), 0], [-1, -1, 1, -1]) };
}

/** The block as lucidrains' code reads. */
function plainBlock(layer: BottleneckTransformerBlock, x: tf.Tensor4D): PlainResult {
  const { stride, shortcutKernelSize, activation } = layer.options;
  const activate = {
    relu: tf.relu,
    silu: (x: tf.Tensor) => tf.mul(x, tf.sigmoid(x)),
    hardSwish: (x: tf.Tensor) => tf.div(tf.mul(x, tf.relu6(tf.add(x, 3))), 6),
  }[activation as 'relu'] as (x: tf.Tensor4D) => tf.Tensor4D;
  const normalised = (name: string, x: tf.Tensor4D): tf.Tensor4D => {
    const [mean, variance, beta, gamma] = ['movingMean', 'movingVariance', 'beta', 'gamma'].map(
      (part) => weightOf(layer, `${name}/${part}`) as tf.Tensor1D,
    );
    return tf.batchNorm(x, mean, variance, beta, gamma, 1e-5);
  };
  const convolved = (name: string, x: tf.Tensor4D, side = 1, strides = 1): tf.Tensor4D => {
    const edge: [number, number] = [(side - 1) / 2, (side - 1) / 2];
    const kernel = weightOf(layer, `${name}/conv/kernel`) as tf.Tensor4D;
    return normalised(`${name}/norm`, tf.conv2d(tf.pad(x, [[0, 0], edge, edge, [0, 0]]), kernel, strides, 'valid'));
  };
  const attended = plainAttention(layer, 'attention/', layer.options, activate(convolved('reduce', x)));
  const branch = convolved('expand', activate(normalised('norm', attended.y)));
  const shortcut = weightOf(layer, 'project/conv/kernel') ? activate(convolved('project', x, shortcutKernelSize, stride)) : x;
  return { ...attended, y: activate(tf.add(branch, shortcut)) };
}
