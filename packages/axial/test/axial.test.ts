import { axialAttention, axialBlock, positionSensitiveAxialAttention } from '@saccade/axial';
import { axialAttentionFromTorch, axialDeepLabFromTorch } from '@saccade/axial/torch';
import { useBackend } from '@saccade/backends';
import { compareWithGolden, type FromTorch, type Golden } from '@saccade/conformance';
import type { StateDict } from '@saccade/core/torch';
import { closeTo, onEachBackend, peakMemory, random, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';
import { axial, block, goldenOf, positionSensitive } from './official.ts';

const folder = path.resolve(import.meta.dirname, '..');

describe('AxialAttention', () => {
  testBlock({
    package: '@saccade/axial',
    create: axialAttention,
    input: [2, 3, 5, 6],
    fixedSize: true,
    options: { heads: 2, headChannels: 4, combine: 'sequence', positions: 'learned' },
    costs: [
      // Each axis: 4·C² weights and C biases; the attention 2·L·C for each position.
      [{}, [1, 14, 14, 256], 2 * (4 * 256 ** 2 + 256), 2 * 196 * (4 * 256 ** 2 + 2 * 14 * 256)],
      [{ heads: 2, headChannels: 3 }, [2, 3, 4, 5, 7], 3 * (4 * 42 + 7), 120 * (3 * 4 * 42 + 2 * 6 * (3 + 4 + 5))],
      [{ heads: 3, positions: 'learned' }, [1, 4, 5, 12], 2 * (4 * 144 + 12) + 9 * 12, 20 * (2 * 4 * 144 + 2 * 12 * 9)],
    ],
    refused: [
      [{ heads: 4 }, 'AxialAttention: 4 heads do not divide 6 channels. Choose heads that do, or set headChannels.'],
      [{ combine: 'add' }, 'AxialAttention: option "combine" is "add", but must be "sum" or "sequence". Leave it out for the default, "sum".'],
      [{ positions: 'sine' }, 'AxialAttention: option "positions" is "sine", but must be "none" or "learned". Leave it out for the default, "none".'],
    ],
    refusedInputs: [[[null, 6], /AxialAttention: the input has shape .*, of rank 2, but must be \[N, length, channels\], /]],
  });

  test('takes any size without positions, but no other number of axes than it was built for', () => {
    const layer = axialAttention({ heads: 2 });
    layer.apply(tf.zeros([1, 3, 4, 6]));
    expect((layer.apply(tf.zeros([2, 5, 2, 6])) as tf.Tensor).shape).toEqual([2, 5, 2, 6]);
    expect(() => layer.apply(tf.zeros([1, 2, 3, 4, 6]))).toThrow(
      `AxialAttention: the input has shape [1, 2, 3, 4, 6], but the layer "${layer.name}" was built for 2 axes of positions. Use a layer of its own for each number of axes.`,
    );
    expect(() => axialAttention({ heads: 2, positions: 'learned' }).build([null, null, 4, 6])).toThrow(
      'AxialAttention: the input has shape [null, null, 4, 6], but its tables of positions are as large as the map: each size but N must be known.',
    );
  });

  test('gives the maps of the lines that the chosen queries lie in', async () => {
    const layer = axialAttention({ heads: 2 });
    const x = random([2, 3, 4, 5, 6]);
    const [, , height] = x.shape;
    const all = layer.attentionMaps(x, { queries: Array.from({ length: 60 }, (_, i) => i) });
    expect(Object.values(all).map((map) => map.shape)).toEqual([
      [2, 20, 2, 3, 3],
      [2, 15, 2, 4, 4],
      [2, 12, 2, 5, 5],
    ]);
    // t, y, x = 2, 1, 3 and 0, 1, 3: the same line in time, two others along each other axis.
    const some = layer.attentionMaps(x, { queries: [48, 8] });
    expect(Object.keys(some)).toEqual(['time', 'height', 'width']);
    await closeTo(some['time'], tf.gather(all['time'], [8], 1), 0);
    await closeTo(some['height'], tf.gather(all['height'], [3, 13], 1), 0);
    await closeTo(some['width'], tf.gather(all['width'], [1, 2 * height + 1], 1), 0);
  });
});

describe('PositionSensitiveAxialAttention', () => {
  testBlock({
    package: '@saccade/axial',
    create: positionSensitiveAxialAttention,
    input: [2, 5, 3, 6],
    fixedSize: true,
    options: { axis: 'width', filters: 8, groups: 2, stride: 2 },
    inert: ['logitNorm/beta'],
    costs: [
      [{ groups: 2 }, [1, 5, 6, 16], 16 * 32 + 2 * 32 + 16 * 9 + 2 * 6 + 2 * 32, 30 * 16 * 32 + 30 * 5 * 56],
      [{ groups: 2, axis: 'width', filters: 8, stride: 2 }, [3, 5, 6, 16], 16 * 16 + 2 * 16 + 8 * 11 + 2 * 6 + 2 * 16, 90 * 16 * 16 + 90 * 6 * 28],
    ],
    refused: [
      [
        { groups: 4, filters: 4 },
        'PositionSensitiveAxialAttention: 4 filters do not make 4 groups of an even number of channels. Give a multiple of 8 filters, or other groups.',
      ],
      [
        { axis: 'time' },
        'PositionSensitiveAxialAttention: option "axis" is "time", but must be "height" or "width". Leave it out for the default, "height".',
      ],
    ],
    refusedInputs: [
      [
        [null, 5, null, 16],
        'PositionSensitiveAxialAttention: the input has shape [null, 5, null, 16], but its tables of distances are as long as the width: it must be known. Give an inputShape with the width.',
      ],
    ],
  });

  test('is tied to the length of its axis alone', () => {
    const layer = positionSensitiveAxialAttention({ groups: 1 });
    layer.build([null, 3, null, 4]);
    expect((layer.apply(tf.zeros([1, 3, 7, 4])) as tf.Tensor).shape).toEqual([1, 3, 7, 4]);
    expect(() => layer.apply(tf.zeros([1, 4, 7, 4]))).toThrow(
      'PositionSensitiveAxialAttention: the input has shape [1, 4, 7, 4], but its tables of distances are as long as the height, and ' +
        `the layer "${layer.name}" was built for 3. Resize the map, or use a layer of its own for each height.`,
    );
  });

  test('a single position keeps the moving statistics, as a batch norm of one value', async () => {
    await useBackend('cpu');
    const layer = positionSensitiveAxialAttention({ groups: 1 });
    const x = random([1, 1, 1, 4]);
    await closeTo(layer.apply(x, { training: true }) as tf.Tensor, layer.apply(x) as tf.Tensor, 0);
  });

  test('never holds more logits than those of a tile, in training neither', async () => {
    await useBackend('wasm');
    // All logits of one kind take 32 MiB, and there are three kinds.
    const { forward, training } = await peakMemory(positionSensitiveAxialAttention({ groups: 2 }), tf.zeros([1, 256, 64, 4]));
    expect(forward).toBeLessThan(24);
    expect(training).toBeLessThan(64);
  });
});

describe('AxialBlock', () => {
  testBlock({
    package: '@saccade/axial',
    create: axialBlock,
    input: [2, 4, 6, 3],
    fixedSize: true,
    options: { filters: 8, width: 12, groups: 3, stride: 2, shortcut: 'projection' },
    // In training contentNorm undoes what the gamma of the values does, but for its epsilon.
    inert: ['height', 'width'].flatMap((axis) => [`${axis}/logitNorm/beta`, `${axis}/value/norm/gamma`]),
    costs: [[{}, [1, 56, 56, 256], 141_088, 56 * 56 * (2 * 256 * 128 + 2 * (128 * 256 + 56 * 3.5 * 128))]],
    refused: [
      [
        { groups: 4, width: 12 },
        'AxialBlock: a width of 12 does not make 4 groups of an even number of channels. Give a multiple of 8 as width (by default half the filters), or other groups.',
      ],
      [
        { groups: 1, filters: 8, shortcut: 'identity' },
        'AxialBlock: option "shortcut" is "identity", but the branch turns 3 channels into 8 with stride 1. Give "projection", or leave it out.',
      ],
    ],
    refusedInputs: [
      [[null, null, 4, 32], /AxialBlock: .*but its tables of distances are as long as the height and the width: each size but N must be known/],
    ],
  });

  test.each([
    ['axial26s', [1, 2, 4, 1], 0.5, 5_944_936, 1_811_875_840],
    ['axial50s', [3, 4, 6, 3], 0.5, 11_586_216, 2_842_942_464],
    ['axial50m', [3, 4, 6, 3], 0.75, 25_179_400, 5_955_144_192],
    ['axial50l', [3, 4, 6, 3], 1, 43_973_480, 10_194_499_584],
  ])('%s is made of it', (_, layers, s, params, macs) => {
    let channels = 64 * s;
    // The first convolution, 7×7 with stride 2 on 224×224 pixels, and its batch norm; a max pool follows.
    const total = { params: 49 * 3 * channels + 2 * channels, macs: 112 * 112 * 49 * 3 * channels };
    let side = 56;
    for (const [stage, blocks] of layers.entries()) {
      for (let i = 0; i < blocks; i++) {
        const stride = stage > 0 && i === 0 ? 2 : 1;
        const filters = 2 * 128 * s * 2 ** stage;
        const cost = axialBlock({ filters, stride }).cost([1, side, side, channels]);
        total.params += cost.params;
        total.macs += cost.macs;
        [side, channels] = [side / stride, filters];
      }
    }
    // The classifier.
    expect({ params: total.params + (channels + 1) * 1000, macs: total.macs + channels * 1000 }).toEqual({ params, macs });
  });

  test('a stride must divide height and width', () => {
    expect(() => axialBlock({ groups: 1, stride: 2 }).build([null, 4, 5, 8])).toThrow(
      'AxialBlock: the input has shape [null, 4, 5, 8], but stride 2 must divide its height and width. Pad or resize the map.',
    );
  });

  test('starts as its shortcut', async () => {
    const x = tf.relu(random([1, 3, 4, 8]));
    await closeTo(axialBlock({ groups: 1 }).apply(x) as tf.Tensor, x, 0);
  });
});

describe('equals the official code where there is no golden', () => {
  const cases: readonly (readonly [golden: () => Golden, adapter: FromTorch])[] = [
    [
      () =>
        goldenOf(
          'axial-deeplab',
          positionSensitive,
          { in_planes: 6, out_planes: 12, groups: 3, kernel_size: 4, stride: 2, width: true },
          [2, 6, 5, 4],
        ),
      axialDeepLabFromTorch,
    ],
    [
      () => goldenOf('axial-deeplab', positionSensitive, { in_planes: 8, out_planes: 16, kernel_size: 3, bias: false }, [1, 8, 3, 4]),
      axialDeepLabFromTorch,
    ],
    [
      () => goldenOf('axial-deeplab', block, { inplanes: 6, planes: 4, groups: 2, kernel_size: 4, stride: 2, expansion: 2 }, [2, 6, 4, 4]),
      axialDeepLabFromTorch,
    ],
    [
      () => goldenOf('axial-deeplab', block, { inplanes: 8, planes: 4, base_width: 128, kernel_size: 3, dilation: 1 }, [3, 8, 3, 3]),
      axialDeepLabFromTorch,
    ],
    [() => goldenOf('axial', axial, { dim: 6, heads: 3, num_dimensions: 3, dim_index: 1, pos_emb: true }, [2, 6, 3, 4, 5]), axialAttentionFromTorch],
    [() => goldenOf('axial', axial, { dim: 8, heads: 2, dim_heads: 3, pos_emb: true, sum_axial_out: false }, [2, 8, 3, 4]), axialAttentionFromTorch],
    [() => goldenOf('axial', axial, { dim: 16, num_dimensions: 1, dim_index: 1 }, [3, 16, 4]), axialAttentionFromTorch],
  ];
  onEachBackend((backend) => {
    // Each shape is programs to compile on WebGPU, where the goldens run, too: the one of five axes is enough.
    test.each(backend === 'webgpu' ? cases.slice(4, 5) : cases)('%#', async (golden, adapter) => {
      await useBackend('cpu');
      const reference = golden();
      await useBackend(backend);
      const report = await compareWithGolden(reference, adapter, backend);
      expect(report.failure, reference.name).toBeUndefined();
    });
  });
});

describe('from PyTorch', () => {
  const stateOf = ({ tensors }: Golden): StateDict =>
    Object.fromEntries(Object.entries(tensors).flatMap(([name, tensor]) => (name.startsWith('state.') ? [[name.slice(6), tensor]] : [])));

  test('has the defaults of the official code, and takes the embeddings under their earlier name', () => {
    const state = stateOf(goldenOf('axial', axial, { dim: 16, dim_index: 1, pos_emb: true }, [1, 16, 3, 4]));
    const earlier = Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name.replace('embedding.param_', 'params.'), tensor]));
    const layer = axialAttentionFromTorch({ config: { dim: 16, dim_index: 1, pos_emb: true }, state: earlier });
    expect(layer.getConfig()).toMatchObject({ heads: 8, headChannels: null, combine: 'sum', positions: 'learned' });
    const config = { inplanes: 8, planes: 4, kernel_size: 3 };
    const official = axialDeepLabFromTorch({ config, state: stateOf(goldenOf('axial-deeplab', block, config, [1, 8, 3, 3])) });
    expect(official.getConfig()).toMatchObject({ filters: 8, width: 4, groups: 1, stride: 1, shortcut: 'identity' });
  });

  test('refuses arguments and state dicts that do not fit', () => {
    expect(() => axialDeepLabFromTorch({ config: { dim: 8 } as never, state: {} })).toThrow(
      'Axial-DeepLab: received the arguments {"dim":8}. Give "in_planes" for an AxialAttention, or "inplanes" for an AxialBlock.',
    );
    expect(() => axialAttentionFromTorch({ config: { dim: 8, num_dimensions: 4 }, state: {} })).toThrow(
      'AxialAttention: num_dimensions is 4, but must be 1, 2 or 3. Reshape the input to have as many.',
    );
    expect(() => axialAttentionFromTorch({ config: { dim: 8, pos_emb: true }, state: {} })).toThrow(
      'AxialAttention: pos_emb is true, but the state dict has no "param_0". Give it with the weights of the AxialPositionalEmbedding.',
    );
    const config = { in_planes: 4, out_planes: 4, groups: 1, kernel_size: 3 };
    const state = stateOf(goldenOf('axial-deeplab', positionSensitive, config, [1, 4, 3, 3]));
    expect(() => axialDeepLabFromTorch({ config: { ...config, kernel_size: 4 }, state })).toThrow(
      'the state dict does not fit: "relative[query]" has shape [5, 2], but must be [7, 2]; "relative[key]" has shape [5, 2], but must be [7, 2]; ' +
        '"relative[value]" has shape [5, 4], but must be [7, 4]. Check',
    );
  });
});

testGoldens(path.join(folder, 'test/golden'), { axial: axialAttentionFromTorch, 'axial-deeplab': axialDeepLabFromTorch });

testReadme(folder);
