import { multiHeadSelfAttention2D, type MultiHeadSelfAttention2D, type MultiHeadSelfAttention2DOptions } from '@saccade/mhsa';
import { fromTimm, fromTorch } from '@saccade/mhsa/torch';
import { casesOn, equalsPlain, onEachBackend, peakMemory, type PlainResult, random, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import { useBackend } from '@saccade/backends';
import * as tf from '@tensorflow/tfjs-core';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

testBlock({
  package: '@saccade/mhsa',
  create: multiHeadSelfAttention2D,
  input: [2, 3, 4, 8],
  options: { heads: 2, headChannels: 3, positions: 'learned', positionsAddedTo: 'all', maxSize: 6, useOutputBias: false },
  inert: ['key/bias'],
  costs: [
    [{}, [1, 32, 32, 256], 263_168, 805_306_368],
    [{ positions: 'none' }, [1, 14, 14, 512], 1_050_624, 244_858_880],
    [{ positions: 'learned' }, [1, 14, 14, 512], 1_050_624 + 50 * 512, 244_858_880],
    [{ heads: 2, headChannels: 3, useBias: false }, [3, 4, 5, 8], 4 * 8 * 6, 3 * (20 * 4 * 8 * 6 + 2 * 400 * 6)],
    [{ heads: 2, useBias: false, useOutputBias: true }, [1, 4, 5, 8], 4 * 64 + 8, 20 * 4 * 64 + 2 * 400 * 8],
  ],
  refused: [
    [{ heads: 0 }, 'MultiHeadSelfAttention2D: option "heads" is 0, but must be a whole number ≥ 1. Leave it out for the default, 8.'],
    [
      { heads: 3 },
      'MultiHeadSelfAttention2D: the input has shape [2, 3, 4, 8], whose 8 channels do not make 3 heads of equal size. Give option "heads" a divisor of 8, or set "headChannels".',
    ],
    [
      { positions: 'sineNormalized' },
      'MultiHeadSelfAttention2D: option "positions" is "sineNormalized", but must be "none", "sine", "sineNormalised", "learned" or "sinCos". ' +
        'Leave it out for the default, "sineNormalised".',
    ],
    [
      { positionsAddedTo: 'qk' },
      'MultiHeadSelfAttention2D: option "positionsAddedTo" is "qk", but must be "queriesAndKeys" or "all". Leave it out for the default, "queriesAndKeys".',
    ],
    [
      { positions: 'learned', maxSize: 3 },
      'MultiHeadSelfAttention2D: the input has shape [2, 3, 4, 8], but with positions "learned" at most 3 rows and columns are known. ' +
        'Set option "maxSize" to 4, or give other positions.',
    ],
  ],
  refusedInputs: [
    [
      [null, 3, 4, 7],
      'MultiHeadSelfAttention2D: the input has shape [null, 3, 4, 7], but with positions "learned" the number of channels must be a multiple of 2. ' +
        'Give such a number, or other positions.',
    ],
    [[null, 7, null, 8], /Set option "maxSize" to 7, or give other positions\./],
    [[null, 12, 8], /of rank 3, but must be \[N, height, width, channels\]/],
  ],
});

testGoldens(path.join(folder, 'test/golden'), { mhsa: fromTorch, 'mhsa-vit': fromTimm });

testReadme(folder);

/** What is added at row y, column x: DETR's `PositionEmbeddingSine` and `PositionEmbeddingLearned`, MAE's `get_2d_sincos_pos_embed`. */
function encodingAt(layer: MultiHeadSelfAttention2D, [height, width, channels]: number[], y: number, x: number): number[] {
  const { positions, temperature } = layer.options;
  const half = channels / 2;
  if (positions === 'learned') {
    const row = (name: string, i: number) => (tableOf(layer, `positions/${name}`)!.arraySync() as number[][])[i];
    return [...row('columns', x), ...row('rows', y)];
  }
  if (positions === 'sinCos') {
    const encode = (position: number) => {
      const angles = Array.from({ length: half / 2 }, (_, i) => position / 10_000 ** (i / (half / 2)));
      return [...angles.map((angle) => Math.sin(angle)), ...angles.map((angle) => Math.cos(angle))];
    };
    return [...encode(x), ...encode(y)];
  }
  const encode = (count: number, last: number) => {
    const position = positions === 'sine' ? count : (count / (last + 1e-6)) * 2 * Math.PI;
    const angles = Array.from({ length: half / 2 }, (_, i) => position / temperature ** ((2 * i) / half));
    return angles.flatMap((angle) => [Math.sin(angle), Math.cos(angle)]);
  };
  return [...encode(y + 1, height), ...encode(x + 1, width)];
}

function tableOf(layer: MultiHeadSelfAttention2D, path: string): tf.Tensor | undefined {
  return layer.weights.find(({ originalName }) => originalName.endsWith(`/${path}`))?.read();
}

/** One head after the other, with the whole attention. */
function plain(layer: MultiHeadSelfAttention2D, x: tf.Tensor4D): PlainResult {
  const { heads, positions, positionsAddedTo } = layer.options;
  const [images, height, width, channels] = x.shape;
  const count = height * width;
  const table = Array.from({ length: count }, (_, i) => encodingAt(layer, [height, width, channels], Math.floor(i / width), i % width));
  const bare = tf.reshape<tf.Rank.R3>(x, [images, count, channels]);
  const placed = positions === 'none' ? bare : tf.add<tf.Tensor3D>(bare, tf.tensor2d(table));
  const project = (name: string, x: tf.Tensor3D): tf.Tensor3D => {
    const y = tf.matMul(tf.reshape(x, [images * count, -1]), tableOf(layer, `${name}/kernel`) as tf.Tensor2D);
    const bias = tableOf(layer, `${name}/bias`);
    return tf.reshape(bias ? tf.add(y, bias) : y, [images, count, -1]);
  };
  const [q, k, v] = [project('query', placed), project('key', placed), project('value', positionsAddedTo === 'all' ? placed : bare)];
  const depth = q.shape[2] / heads;
  const attended = Array.from({ length: heads }, (_, head) => {
    const own = (x: tf.Tensor3D) => tf.slice(x, [0, 0, head * depth], [-1, -1, depth]);
    const attention: tf.Tensor3D = tf.softmax(tf.div(tf.matMul(own(q), own(k), false, true), Math.sqrt(depth)));
    return { y: tf.matMul<tf.Tensor3D>(attention, own(v)), middle: tf.slice(attention, [0, Math.floor(count / 2), 0], [-1, 1, -1]) };
  });
  const joined = tf.concat<tf.Tensor3D>(
    attended.map(({ y }) => y),
    2,
  );
  const query = tf.stack(
    attended.map(({ middle }) => middle),
    1,
  );
  return { y: tf.reshape(project('out', joined), x.shape), query };
}

onEachBackend((backend) => {
  test.each<[MultiHeadSelfAttention2DOptions, number[]]>(
    casesOn(backend, [
      [{ heads: 3, positions: 'none', useBias: false, useOutputBias: true }, [2, 3, 5, 9]],
      [{ heads: 2, positions: 'sine', temperature: 20 }, [3, 4, 3, 8]],
      [{ heads: 1, positions: 'sineNormalised', positionsAddedTo: 'all', temperature: 100 }, [1, 5, 3, 12]],
      [{ heads: 2, positions: 'learned', useBias: false }, [2, 1, 6, 6]],
      [{ heads: 4, headChannels: 3, positions: 'sinCos' }, [2, 3, 4, 8]],
      [{ positions: 'sinCos', positionsAddedTo: 'all', useOutputBias: false }, [1, 2, 5, 16]],
    ]),
  )('equals its definition: %j on %j', async (options, shape) => {
    await equalsPlain(multiHeadSelfAttention2D(options), shape, plain);
  });
});

// 2500 positions: all pairs of the two heads would take 48 MB.
test('never holds the attention of all pairs', async () => {
  await useBackend('wasm');
  const { forward, training } = await peakMemory(multiHeadSelfAttention2D({ heads: 2 }), random([1, 50, 50, 8]));
  expect(forward).toBeLessThan(2);
  expect(training).toBeLessThan(14);
});

describe('from PyTorch', () => {
  const zeros = (shapes: Record<string, number[]>) =>
    Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) }]));

  test('takes the defaults of the official constructors, and weights without a prefix', () => {
    const torch = zeros({ in_proj_weight: [24, 8], in_proj_bias: [24], 'out_proj.weight': [8, 8], 'out_proj.bias': [8] });
    expect(fromTorch({ config: { dim: 8, heads: 2 }, state: torch }).options).toMatchObject({
      heads: 2,
      positions: 'none',
      positionsAddedTo: 'queriesAndKeys',
      temperature: 10_000,
      useBias: true,
      useOutputBias: null,
    });
    const timm = zeros({ 'qkv.weight': [24, 8], 'proj.weight': [8, 8], 'proj.bias': [8] });
    expect(fromTimm({ config: { dim: 8 }, state: timm }).options).toMatchObject({
      heads: 8,
      positions: 'none',
      useBias: false,
      useOutputBias: true,
    });
  });

  test('takes arguments that no golden here has', () => {
    const unbiased = zeros({ 'mha.in_proj_weight': [24, 8], 'mha.out_proj.weight': [8, 8] });
    const config = { dim: 8, heads: 4, bias: false, pos: 'sine', pos_added_to: 'all', temperature: 20 } as const;
    expect(fromTorch({ config, state: unbiased }).options).toMatchObject({
      positions: 'sine',
      positionsAddedTo: 'all',
      temperature: 20,
      useBias: false,
    });
    const timm = zeros({ 'attn.qkv.weight': [24, 8], 'attn.proj.weight': [8, 8], 'attn.proj.bias': [8] });
    expect(fromTimm({ config: { dim: 8, heads: 2, pos: 'sincos2d added to x before q,k,v' }, state: timm }).options).toMatchObject({
      heads: 2,
      positions: 'sinCos',
      positionsAddedTo: 'all',
    });
  });

  test('refuses what does not fit', () => {
    expect(() => fromTorch({ config: { dim: 8, heads: 2, pos: 'sine_norm' as 'sine' }, state: {} })).toThrow(
      'MultiheadAttention: argument "pos" is "sine_norm", but must be "none", "sine", "sine-norm" or "learned". Give what the network does.',
    );
    expect(() => fromTorch({ config: { dim: 8, num_heads: 2 } as never, state: {} })).toThrow('MultiheadAttention: unknown argument "num_heads"');
    expect(() => fromTimm({ config: { heads: 2 } as never, state: {} })).toThrow('Attention: missing argument "dim".');
    const state = zeros({ in_proj_weight: [16, 8], in_proj_bias: [24], 'out_proj.weight': [8, 8], 'out_proj.bias': [8] });
    expect(() => fromTorch({ config: { dim: 8, heads: 2, pos: 'learned' }, state })).toThrow(
      'the state dict does not fit: "in_proj_weight[query]" [8, 8] is missing; "in_proj_weight[key]" [8, 8] is missing; "in_proj_weight[value]" [8, 8] is missing; ' +
        '"pe.row_embed.weight" [50, 4] is missing; "pe.col_embed.weight" [50, 4] is missing; "in_proj_weight" [16, 8] is left over.',
    );
  });
});
