import type { AnyBlock } from '@saccade/core';
import { readSafetensors, type StateDict } from '@saccade/core/torch';
import {
  aspObjectContext,
  baseObjectContext,
  pyramidObjectContext,
  type ASPObjectContext,
  type ASPObjectContextOptions,
  type BaseObjectContext,
  type BaseObjectContextOptions,
  type PyramidObjectContext,
  type PyramidObjectContextOptions,
} from '@saccade/ocnet';
import { aspObjectContextFromTorch, baseObjectContextFromTorch, pyramidObjectContextFromTorch } from '@saccade/ocnet/torch';
import {
  casesOn,
  closeTo,
  equalsPlain,
  onEachBackend,
  random,
  randomiseWeights,
  testBlock,
  testGoldens,
  testReadme,
  type PlainResult,
} from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

// Biases that the batch norm after them takes out again, in training.
const inert = (...stages: string[]) => [
  'fuse/conv/bias',
  ...stages.flatMap((stage) => [`${stage}/key/conv/bias`, `${stage}/value/bias`, `${stage}/output/bias`]),
];

describe('BaseObjectContext', () => {
  testBlock({
    package: '@saccade/ocnet',
    create: baseObjectContext,
    input: [2, 3, 5, 4],
    options: { sizes: [1, 2], keyChannels: 3, valueChannels: 5, concatInput: false, dropout: 0.25 },
    inert: inert('stage0', 'stage1'),
    costs: [
      [{}, [1, 97, 97, 512], 920_576, 55_193_043_456],
      [{ sizes: [2] }, [1, 97, 97, 512], 920_576, 8_858_894_336],
      [
        { sizes: [1, 3], keyChannels: 2, valueChannels: 3, concatInput: false },
        [2, 7, 5, 4],
        2 * (14 + 15 + 16) + 28,
        2 * (35 * (16 + 12 + 12 + 35 * 5) + 2 * (16 + 12 + 12 + 2 * 5) + 35 * 16),
      ],
    ],
    refused: [
      [
        { sizes: [1, 0] },
        'BaseObjectContext: option "sizes" is [1,0], but must be a list of one or more, each a whole number ≥ 1. Leave it out for the default, [1].',
      ],
      [{ dropout: 1 }, 'BaseObjectContext: option "dropout" is 1, but must be a number ≥ 0 and < 1. Leave it out for the default, 0.05.'],
    ],
    refusedInputs: [
      [
        [null, 5, 1, 4],
        'BaseObjectContext: the input has shape [null, 5, 1, 4], but each position axis must have at least 2. Give a larger map, or leave the block out at this depth.',
      ],
    ],
  });

  onEachBackend((backend) => {
    test.each<[shape: number[], options: BaseObjectContextOptions]>(
      casesOn(backend, [
        [[3, 7, 5, 5], { sizes: [3, 1, 2], keyChannels: 1, valueChannels: 7 }],
        [[2, 3, 4, 4], { sizes: [3], concatInput: false }],
      ]),
    )('equals plain ops on %j with %j', async (shape, options) => {
      await equalsPlain(baseObjectContext(options), shape, plainBase);
    });
  });

  test('starts with no context: each position is on its own', async () => {
    const layer = baseObjectContext({ sizes: [1, 2] });
    const x = random([1, 4, 6, 8]) as tf.Tensor4D;
    const part = (x: tf.Tensor4D) => tf.slice(x, [0, 1, 2, 0], [1, 2, 3, 8]);
    await closeTo(layer.apply(part(x)) as tf.Tensor, part(layer.apply(x) as tf.Tensor4D), 1e-6);
  });

  test('of a pooled map, gives the maps of the windows that the queries lie in, each once', async () => {
    const layer = baseObjectContext({ sizes: [2] });
    const x = random([2, 5, 7, 8]);
    layer.build(x.shape);
    randomiseWeights(layer);
    const { query: all } = layer.attentionMaps(x, { queries: Array.from({ length: 35 }, (_, i) => i) });
    expect(all.shape).toEqual([2, 6, 6]);
    // The last position, which the pooling leaves out; two of the window [0, 1]; one of the window [1, 0].
    const { query: some } = layer.attentionMaps(x, { queries: [34, 2, 10, 14] });
    await closeTo(some, tf.gather(all, [5, 1, 3], 1), 1e-6);
  });
});

describe('PyramidObjectContext', () => {
  testBlock({
    package: '@saccade/ocnet',
    create: pyramidObjectContext,
    // Such that no leaky ReLU has its kink within the step of the finite differences.
    input: [2, 2, 3, 4],
    options: { sizes: [1, 2], dropout: 0.25 },
    inert: [...inert('stage0', 'stage1'), 'widen/conv/bias'],
    costs: [
      [{}, [1, 97, 97, 512], 5_782_016, 153_636_375_552],
      [
        { sizes: [2] },
        [2, 5, 7, 4],
        14 + 20 + 20 + 28 + 44,
        // Cells of 2 or 3 rows by 3 or 4 columns.
        2 * (35 * (16 + 16 + 16 + 16 + 32) + (2 ** 2 + 3 ** 2) * (3 ** 2 + 4 ** 2) * 6),
      ],
    ],
    refused: [
      [
        { sizes: [] },
        'PyramidObjectContext: option "sizes" is [], but must be a list of one or more, each a whole number ≥ 1. Leave it out for the default, [1,2,3,6].',
      ],
    ],
    refusedInputs: [
      [
        [null, 9, 1, 4],
        'PyramidObjectContext: the input has shape [null, 9, 1, 4], but each position axis must have at least 2. Give a larger map, or leave the block out at this depth.',
      ],
    ],
  });

  onEachBackend((backend) => {
    test.each<[shape: number[], options: PyramidObjectContextOptions]>(
      casesOn(backend, [
        [[1, 8, 7, 4], {}],
        [[2, 7, 3, 2], { sizes: [3, 2] }],
      ]),
    )('equals plain ops on %j with %j', async (shape, options) => {
      await equalsPlain(pyramidObjectContext(options), shape, plainPyramid);
    });
  });

  test('gives maps that are 0 outside of the cell of each query', async () => {
    const { tensors } = readSafetensors(readFileSync(path.join(folder, 'test/golden/ocnet-pyramid-s12.safetensors')));
    const layer = pyramidObjectContextFromTorch({ config: { in_channels: 8, sizes: [1, 2] }, state: stateOf('pyramid-s12') });
    const { shape, data } = tensors['input'];
    const x = tf.transpose(tf.tensor(data, [...shape]), [0, 2, 3, 1]);
    // The first cell of four, of a map of 6×6; and its position in the middle, as queries of both.
    const cell = [0, 1, 2].flatMap((row) => [0, 1, 2].map((column) => 6 * row + column));
    const { query, query1 } = layer.attentionMaps(x, { queries: cell });
    const golden = (name: string) => tf.tensor(tensors[name].data, [...tensors[name].shape]);
    await closeTo(query, tf.gather(golden('attention.s1.0'), cell, 1), 1e-6);
    await closeTo(tf.gather(query1, cell, 2), golden('attention.s2.0'), 1e-6);
    await closeTo(tf.sum(query1, 2), tf.ones([2, 9]), 1e-6);
  });
});

describe('ASPObjectContext', () => {
  testBlock({
    package: '@saccade/ocnet',
    create: aspObjectContext,
    input: [2, 4, 5, 3],
    options: { width: 2, dilations: [1, 2], sizes: [2, 1], dropout: 0.25 },
    inert: [...inert('context/stage0', 'context/stage1').map((name) => name.replace(/^fuse/, 'context/fuse')), 'reduce/conv/bias'],
    costs: [
      [{}, [1, 97, 97, 512], 5_739_904, 54_904_815_616],
      [{ width: 2, dilations: [5] }, [1, 4, 6, 3], 60 + 5 + 6 + 6 + 10 + 10 + 58 + 32, 24 * (54 + 4 + 6 + 54 + 24) + 6 * (2 + 2 + 4 + 4 + 18)],
    ],
    refused: [
      [{ width: 0 }, 'ASPObjectContext: option "width" is 0, but must be a whole number ≥ 1. Leave it out for the default, 256.'],
      [
        { dilations: [1, 0.5] },
        'ASPObjectContext: option "dilations" is [1,0.5], but must be a list of one or more, each a whole number ≥ 1. Leave it out for the default, [12,24,36].',
      ],
    ],
    refusedInputs: [
      [
        [null, 1, 5, 3],
        'ASPObjectContext: the input has shape [null, 1, 5, 3], but each position axis must have at least 2. Give a larger map, or leave the block out at this depth.',
      ],
    ],
  });

  onEachBackend((backend) => {
    test.each<[shape: number[], options: ASPObjectContextOptions]>(
      casesOn(backend, [
        [[3, 5, 4, 3], { width: 4, dilations: [2, 3, 7] }],
        [[1, 3, 7, 2], { width: 3, dilations: [1], sizes: [1, 3] }],
      ]),
    )('equals plain ops on %j with %j', async (shape, options) => {
      await equalsPlain(aspObjectContext(options), shape, plainASP);
    });
  });
});

test.each([
  ['BaseObjectContext', baseObjectContext({ dropout: 0.5 }), 64],
  ['PyramidObjectContext', pyramidObjectContext({ sizes: [1], dropout: 0.5 }), 64],
  ['ASPObjectContext', aspObjectContext({ width: 32, dropout: 0.5 }), 64],
] as const)('%s drops whole channels of its output, in training only', async (_, layer: AnyBlock, channels) => {
  const x = random([2, 3, 5, channels]);
  const still = layer.apply(x) as tf.Tensor;
  await closeTo(layer.apply(x) as tf.Tensor, still, 0);
  const dropped = tf.mean(tf.abs(tf.sign(layer.apply(x, { training: true }) as tf.Tensor)), [1, 2]);
  expect(new Set(dropped.dataSync())).toEqual(new Set([0, 1]));
  expect(Math.abs(tf.mean(dropped).dataSync()[0] - 0.5)).toBeLessThan(0.25);
});

testGoldens(path.join(folder, 'test/golden'), {
  'ocnet-base': baseObjectContextFromTorch,
  'ocnet-pyramid': pyramidObjectContextFromTorch,
  'ocnet-asp': aspObjectContextFromTorch,
});

testReadme(folder);

describe('from PyTorch', () => {
  const base = { in_channels: 12, key_channels: 6, value_channels: 6 };
  const state = stateOf('base-basic');
  const without = (part: string) => Object.fromEntries(Object.entries(state).filter(([key]) => !key.includes(part)));

  test('takes what is left out as the official constructor does', () => {
    expect(baseObjectContextFromTorch({ config: base, state }).getConfig()).toMatchObject({ sizes: [1], concatInput: true, dropout: 0 });
    expect(baseObjectContextFromTorch({ config: { ...base, dropout: 0.05 }, state }).getConfig()).toMatchObject({ dropout: 0.05 });
    const context = { module: 'BaseOC_Context_Module', in_channels: 9, out_channels: 9, key_channels: 4, value_channels: 9, dropout: 0.05 } as const;
    const scaled = baseObjectContextFromTorch({ config: { ...context, sizes: [2] }, state: stateOf('base-context-scale2') });
    expect(scaled.getConfig()).toMatchObject({ sizes: [2], concatInput: false, dropout: 0 });
    const asp = aspObjectContextFromTorch({ config: { features: 12, out_features: 6 }, state: stateOf('asp-basic') });
    expect(asp.getConfig()).toMatchObject({ width: 6, dilations: [12, 24, 36], sizes: [2], dropout: 0 });
  });

  test('takes the transform by either of its names', async () => {
    const x = random([1, 4, 5, 12]);
    const output = (part: string) => baseObjectContextFromTorch({ config: base, state: without(part) }).apply(x) as tf.Tensor;
    await closeTo(output('f_key'), output('f_query'), 0);
  });

  test('takes the scale of InPlaceABN', async () => {
    const x = random([1, 4, 5, 12]);
    const rescaled = (scale: number): StateDict => {
      const entries = Object.entries(state).map(([name, tensor]) => {
        const isScale = name.endsWith('.1.weight');
        return [name, isScale ? { ...tensor, data: tensor.data.map(() => scale) } : tensor] as const;
      });
      return Object.fromEntries(entries);
    };
    const asIs = baseObjectContextFromTorch({ config: base, state: rescaled(0.5 + 1e-5) });
    const inPlace = baseObjectContextFromTorch({ config: { ...base, inplace_abn: true }, state: rescaled(-0.5) });
    await closeTo(inPlace.apply(x) as tf.Tensor, asIs.apply(x) as tf.Tensor, 1e-6);
  });

  test('refuses arguments and state dicts that do not fit', () => {
    const refuses = (run: () => unknown, message: string) => expect(run).toThrow(message);
    refuses(
      () => baseObjectContextFromTorch({ config: { ...base, module: 'BaseOC' as never }, state }),
      'OCNet: module is "BaseOC", but must be "BaseOC_Module" or "BaseOC_Context_Module". Give the name of the PyTorch class.',
    );
    refuses(
      () => baseObjectContextFromTorch({ config: { ...base, out_channels: 6 }, state }),
      'BaseOC_Module: out_channels is 6, but in_channels 12 makes 12. Leave it out, or correct in_channels.',
    );
    refuses(
      () => pyramidObjectContextFromTorch({ config: { in_channels: 8, key_channels: 8 }, state: stateOf('pyramid-s12') }),
      'Pyramid_OC_Module: key_channels is 8, but in_channels 8 makes 4. Leave it out, or correct in_channels.',
    );
    refuses(
      () => aspObjectContextFromTorch({ config: { features: 12, dilation: [1] } as never, state: {} }),
      'ASP_OC_Module: unknown argument "dilation" (received [1]). Did you mean "dilations"?',
    );
    const bias = 'stages.0.f_query.0.bias';
    refuses(
      () => baseObjectContextFromTorch({ config: base, state: { ...state, [bias]: { shape: [6], data: new Float32Array(6).fill(9) } } }),
      `OCNet: "${bias}" and "stages.0.f_key.0.bias" differ in the state dict, but are one module. Give the state dict as PyTorch saved it.`,
    );
    refuses(
      () => baseObjectContextFromTorch({ config: base, state: without('W.bias') }),
      'SaccadeBaseObjectContext: the state dict does not fit: "stages.0.W.bias" [12] is missing.',
    );
  });
});

/** The state dict of a golden. */
function stateOf(name: string): StateDict {
  const { tensors } = readSafetensors(readFileSync(path.join(folder, `test/golden/ocnet-${name}.safetensors`)));
  return Object.fromEntries(Object.entries(tensors).flatMap(([key, value]) => (key.startsWith('state.') ? [[key.slice(6), value]] : [])));
}

/** The layer's weights by their paths below a part. */
type Weights = (path: string) => tf.Tensor;

function weightsOf(layer: AnyBlock): Weights {
  return (path) => {
    const found = layer.weights.find((weight) => weight.originalName.replace(/^[^/]*\//, '') === path);
    if (!found) throw new Error(`no weight ${path}`);
    return found.read();
  };
}

function below(part: string, weights: Weights): Weights {
  return (path) => weights(`${part}/${path}`);
}

/** A convolution, tap by tap. */
function plainConv(weights: Weights, part: string, x: tf.Tensor4D, { useBias = true, dilation = 1 } = {}): tf.Tensor4D {
  const kernel = weights(`${part}/kernel`);
  const [side, inputs, filters] = kernel.rank === 2 ? [1, ...kernel.shape] : [kernel.shape[0], ...kernel.shape.slice(2)];
  const [, height, width] = x.shape;
  const reach = (dilation * (side - 1)) / 2;
  const padded = tf.pad(x, [
    [0, 0],
    [reach, reach],
    [reach, reach],
    [0, 0],
  ]);
  const taps = tf.reshape(kernel, [side * side, inputs, filters]);
  let y: tf.Tensor = useBias ? weights(`${part}/bias`) : tf.zeros([filters]);
  for (let tap = 0; tap < side * side; tap++) {
    const [row, column] = [Math.floor(tap / side) * dilation, (tap % side) * dilation];
    const seen = tf.reshape(tf.slice(padded, [0, row, column, 0], [-1, height, width, -1]), [-1, inputs]);
    y = tf.add(y, tf.matMul(seen, tf.reshape(tf.slice(taps, [tap, 0, 0], [1, -1, -1]), [inputs, filters])));
  }
  return tf.reshape(y, [x.shape[0], height, width, filters]);
}

function plainActivated(weights: Weights, part: string, x: tf.Tensor4D, options: { useBias?: boolean; dilation?: number } = {}): tf.Tensor4D {
  const [mean, variance, gamma, beta] = ['movingMean', 'movingVariance', 'gamma', 'beta'].map((name) => weights(`${part}/norm/${name}`));
  const normal = tf.div(tf.sub(plainConv(weights, `${part}/conv`, x, options), mean), tf.sqrt(tf.add(variance, 1e-5)));
  const y = tf.add(tf.mul(normal, gamma), beta);
  return tf.maximum(y, tf.mul(y, 0.01));
}

/** Attention among the positions between which `together` is 1, and its map of the positions `queries`. */
function plainAttention(weights: Weights, x: tf.Tensor4D, queries: number[], together?: tf.Tensor2D): { y: tf.Tensor4D; map: tf.Tensor } {
  const [batch, height, width] = x.shape;
  const rows = (x: tf.Tensor4D): tf.Tensor3D => tf.reshape(x, [batch, height * width, -1]);
  const keys = rows(plainActivated(weights, 'key', x));
  const similarity = tf.div(tf.matMul(keys, keys, false, true), Math.sqrt(keys.shape[2]));
  const all = tf.softmax(together ? tf.add(similarity, tf.mul(tf.sub(together, 1), 1e9)) : similarity);
  const context = tf.matMul(all, rows(plainConv(weights, 'value', x)));
  return { y: plainConv(weights, 'output', tf.reshape(context, [batch, height, width, -1])), map: tf.gather(all, queries, 1) };
}

/** The map at (y, x) of the larger one lies at (y·(h − 1)/(H − 1), x·(w − 1)/(W − 1)) of the smaller one. */
function plainResize(x: tf.Tensor4D, size: readonly number[]): tf.Tensor4D {
  const along = (x: tf.Tensor, axis: number): tf.Tensor => {
    const [from, to] = [x.shape[axis], size[axis - 1]];
    const at = Array.from({ length: to }, (_, i) => (to === 1 ? 0 : (i * (from - 1)) / (to - 1)));
    const pick = (positions: number[]) =>
      tf.gather(
        x,
        positions.map((position) => Math.min(position, from - 1)),
        axis,
      );
    const lower = at.map((position) => Math.floor(position + 1e-9));
    const share = tf.reshape(
      tf.tensor1d(at.map((position, i) => position - lower[i])),
      x.shape.map((_, i) => (i === axis ? to : 1)),
    );
    return tf.add(tf.mul(pick(lower), tf.sub(1, share)), tf.mul(pick(lower.map((position) => position + 1)), share));
  };
  return along(along(x, 1), 2) as tf.Tensor4D;
}

/** The query whose map is wanted where none is named. */
function middleOf({ shape: [, height, width] }: tf.Tensor4D): number {
  return Math.floor((height * width) / 2);
}

function plainBase(layer: AnyBlock, x: tf.Tensor4D): PlainResult {
  return plainBaseOf(weightsOf(layer), (layer as BaseObjectContext).options, x);
}

function plainBaseOf(weights: Weights, { sizes, concatInput }: { sizes: readonly number[]; concatInput: boolean }, x: tf.Tensor4D): PlainResult {
  const [, height, width] = x.shape;
  const middle = middleOf(x);
  const stages = sizes.map((size, i) => {
    const small = tf.maxPool(x, size, size, 'valid');
    const [row, column] = [Math.floor(middle / width / size), Math.floor((middle % width) / size)];
    const window = Math.min(row, small.shape[1] - 1) * small.shape[2] + Math.min(column, small.shape[2] - 1);
    const { y, map } = plainAttention(below(`stage${i}`, weights), small, [window]);
    return { y: plainResize(y, [height, width]), map };
  });
  const context = stages.map(({ y }) => y).reduce((sum, y) => tf.add(sum, y));
  return { y: plainActivated(weights, 'fuse', concatInput ? tf.concat([context, x], 3) : context), ...mapsOf(stages) };
}

function plainPyramid(layer: PyramidObjectContext, x: tf.Tensor4D): PlainResult {
  const weights = weightsOf(layer);
  const [, height, width] = x.shape;
  const stages = layer.options.sizes.map((size, i) => {
    const cell = (position: number, length: number) => Math.min(Math.floor(position / Math.floor(length / size)), size - 1);
    const cells = Array.from({ length: height * width }, (_, i) => cell(Math.floor(i / width), height) * size + cell(i % width, width));
    const together = tf.tensor2d(cells.map((own) => cells.map((other) => (own === other ? 1 : 0))));
    return plainAttention(below(`stage${i}`, weights), x, [middleOf(x)], together);
  });
  const all = tf.concat([plainActivated(weights, 'widen', x), ...stages.map(({ y }) => y)], 3);
  return { y: plainActivated(weights, 'fuse', all), ...mapsOf(stages) };
}

function plainASP(layer: ASPObjectContext, x: tf.Tensor4D): PlainResult {
  const weights = weightsOf(layer);
  const { sizes, dilations } = layer.options;
  const { y: context, ...maps } = plainBaseOf(below('context', weights), { sizes, concatInput: false }, plainActivated(weights, 'reduce', x));
  const branches = [1, ...dilations].map((dilation, i) => plainActivated(weights, `branch${i}`, x, { useBias: false, dilation }));
  return { y: plainActivated(weights, 'fuse', tf.concat([context as tf.Tensor4D, ...branches], 3), { useBias: false }), ...maps };
}

function mapsOf(stages: { map: tf.Tensor }[]): Record<string, tf.Tensor> {
  return Object.fromEntries(stages.map(({ map }, i) => [i === 0 ? 'query' : `query${i}`, map]));
}
