import { readSafetensors, type StateDict } from '@saccade/core/torch';
import { selectiveKernel, selectiveKernelUnit, type SelectiveKernelOptions, type SelectiveKernelUnitOptions } from '@saccade/sk';
import { fromTorch, selectiveKernelUnitFromTorch, type SelectiveKernelArguments } from '@saccade/sk/torch';
import { casesOn, equalsPlain, onEachBackend, random, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

describe('SelectiveKernel', () => {
  testBlock({
    package: '@saccade/sk',
    create: selectiveKernel,
    input: [2, 7, 5, 12],
    options: { kernelSizes: [3, 7, 5], filters: 8, groups: 2, stride: 2, splitInput: true, reduction: 2, minChannels: 1 },
    costs: [
      // Of the module in the public goldens.
      [{ groups: 1, width: 8 }, [3, 8, 8, 16], 5072, 3 * (2 * 8 * 8 * 9 * 16 * 16 + 16 * 8 + 8 * 32)],
      [{ groups: 1, width: 8, splitInput: true, filters: 20 }, [1, 7, 5, 12], 2736, 2 * 7 * 5 * 9 * 6 * 20 + 20 * 8 + 8 * 40],
      [{ keep3x3: false, stride: 2 }, [1, 7, 5, 64], (9 + 25) * 2 * 64 + 256 + 64 * 32 * 3 + 64, 12 * (9 + 25) * 2 * 64 + 64 * 32 * 3],
    ],
    refused: [
      [
        { kernelSizes: [3, 4] },
        'SelectiveKernel: option "kernelSizes" is [3,4], but must be a list of one or more, each an odd whole number ≥ 1. Leave it out for the default, [3,5].',
      ],
      [
        { groups: 5 },
        'SelectiveKernel: option "groups" is 5, but must divide both the 12 channels that a branch reads and its 12 filters. Give a common divisor, such as 1.',
      ],
      [{ groups: 4, filters: 10 }, /"groups" is 4, but must divide both the 12 channels that a branch reads and its 10 filters/],
      [{ groups: 4, splitInput: true }, /"groups" is 4, but must divide both the 6 channels that a branch reads/],
      [
        { groups: 1, kernelSizes: [3, 3, 5, 5, 7], splitInput: true },
        'SelectiveKernel: splitInput cannot divide 12 channels among the 5 branches of kernelSizes [3,3,5,5,7]. Give as many branches as divide them.',
      ],
      [
        { groups: 1, reduction: 16, minChannels: 0 },
        'SelectiveKernel: reduction 16 leaves no channel of 12. Give a reduction of at most 12, or set the width another way.',
      ],
    ],
    refusedInputs: [
      [
        [null, 7, 12],
        'SelectiveKernel: the input has shape [null, 7, 12], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.',
      ],
    ],
  });

  onEachBackend((backend) => {
    test.each<[shape: number[], options: SelectiveKernelOptions]>(
      casesOn(backend, [
        [[1, 5, 8, 32], {}],
        [[1, 9, 6, 8], { groups: 2, keep3x3: false, kernelSizes: [7, 3, 1], stride: 2 }],
        [[2, 6, 7, 8], { groups: 4, stride: 3, filters: 4 }],
        [[3, 7, 4, 6], { groups: 3, dilation: 2, kernelSizes: [5, 3], stride: 2 }],
        [[1, 1, 1, 6], { groups: 1, splitInput: true, filters: 9, kernelSizes: [3, 3, 5] }],
        [[2, 4, 3, 5], { groups: 5, kernelSizes: [7], width: 3 }],
      ]),
    )('equals plain ops on %j with %j', async (shape, options) => {
      await equalsPlain(selectiveKernel(options), shape, (layer, x) => plain(x, readerOf(layer), layer.options));
    });
  });

  test('starts with about the same weight for each branch', async () => {
    const { channel } = selectiveKernel({ groups: 2, kernelSizes: [3, 5, 7, 9] }).attentionMaps(random([2, 6, 5, 64]));
    const weights = await channel.data();
    expect(Math.max(...weights.map((weight) => Math.abs(weight - 1 / 4)))).toBeLessThan(0.02);
  });
});

describe('SelectiveKernelUnit', () => {
  testBlock({
    package: '@saccade/sk',
    create: selectiveKernelUnit,
    input: [2, 5, 4, 6],
    options: { filters: 8, bottleneckWidth: 64, groups: 2, stride: 2, width: 3, kernelSizes: [3, 5] },
    costs: [
      // Without and with a projection: 1×1 convolutions, the block, norms.
      [{}, [1, 14, 14, 256], 65_536 + 22_080 + 768, 196 * 65_536 + 196 * 2 * 9 * 4 * 128 + 12_288],
      [{ filters: 512, stride: 2 }, [1, 7, 7, 256], 196_608 + 131_072 + 62_528 + 2560, 49 * 65_536 + 16 * (2 * 9 * 8 * 256 + 262_144) + 24_576],
    ],
    refused: [
      [
        { bottleneckWidth: 4, filters: 60 },
        'SelectiveKernelUnit: bottleneckWidth 4 leaves no channel of 60 filters. Give a bottleneckWidth of at least 5.',
      ],
    ],
    refusedInputs: [
      [
        [null, 0, 7, 256],
        'SelectiveKernelUnit: the input has shape [null, 0, 7, 256], but each position axis must have at least 1. Give a larger map, or leave the block out at this depth.',
      ],
    ],
  });

  onEachBackend((backend) => {
    test.each<[shape: number[], options: SelectiveKernelUnitOptions]>(
      casesOn(backend, [
        [[1, 5, 4, 64], { groups: 4, bottleneckWidth: 8 }],
        [[3, 6, 7, 6], { groups: 2, bottleneckWidth: 64, filters: 16, stride: 3, splitInput: true }],
      ]),
    )('equals plain ops on %j with %j', async (shape, options) => {
      await equalsPlain(selectiveKernelUnit(options), shape, (layer, x) => {
        const read = readerOf(layer);
        const { y, channel } = plain(tf.relu(plainConvNorm(x, read, 'reduce')), (name) => read(`convolution/${name}`), layer.options);
        const { stride } = layer.options;
        const project = { stride, padding: Math.floor((stride - 1) / 2) };
        const shortcut = options.filters === undefined ? x : plainConvNorm(x, read, 'project', project);
        return { y: tf.relu(tf.add(plainConvNorm(y, read, 'expand'), shortcut)), channel };
      });
    });
  });

  // Of the official prototxt, and of timm's skresnext50_32x4d.
  test('makes up SKNet-50', () => {
    const stages = [
      [3, 56, 256],
      [4, 28, 512],
      [6, 14, 1024],
      [3, 7, 2048],
    ];
    const stem = { params: 7 * 7 * 3 * 64 + 2 * 64, macs: 112 * 112 * 7 * 7 * 3 * 64 };
    const classifier = { params: 2048 * 1000 + 1000, macs: 2048 * 1000 };
    const units = stages.flatMap(([count, side, filters], stage) =>
      Array.from({ length: count }, (_, unit) => {
        const stride = unit === 0 && stage > 0 ? 2 : 1;
        const channels = unit > 0 ? filters : stage > 0 ? filters / 2 : 64;
        return selectiveKernelUnit({ filters, stride }).cost([1, side * stride, side * stride, channels]);
      }),
    );
    const total = (of: 'params' | 'macs') => [stem, ...units, classifier].reduce((sum, layer) => sum + layer[of], 0);
    expect(total('params')).toBe(27_479_784);
    expect(total('macs')).toBe(4_462_710_784);
  });
});

testGoldens(path.join(folder, 'test/golden'), { sk: fromTorch });

describe('from PyTorch', () => {
  const { tensors } = readSafetensors(readFileSync(path.join(folder, 'test/golden/sk-basic.safetensors')));
  const state: StateDict = Object.fromEntries(
    Object.entries(tensors).flatMap(([key, value]) => (key.startsWith('state.') ? [[key.slice('state.'.length), value]] : [])),
  );
  const config: SelectiveKernelArguments = { in_channels: 16, split_input: false };

  test('the defaults are timm’s', () => {
    const { options } = fromTorch({ config, state });
    expect(options).toMatchObject({ kernelSizes: [3, 5], keep3x3: true, groups: 1, stride: 1, dilation: 1, width: 8, filters: 16 });
    expect(() => fromTorch({ config: { in_channels: 16 }, state })).toThrow(
      /"paths.0.conv.weight" has shape \[16, 16, 3, 3\], but must be \[16, 8, 3, 3\]/,
    );
  });

  test.each<[Partial<SelectiveKernelArguments>, string | RegExp]>([
    [{ rd_ratio: 1 / 2, rd_divisor: 3 }, /"attn.fc_reduce.weight" has shape \[8, 16, 1, 1\], but must be \[9, 16\]/],
    // 11.5 would round to 8, which is less than nine tenths of it.
    [{ rd_ratio: 11.5 / 16 }, /"attn.fc_reduce.weight" has shape \[8, 16, 1, 1\], but must be \[16, 16\]/],
    [{ rd_channels: 5 }, /"attn.fc_reduce.weight" has shape \[8, 16, 1, 1\], but must be \[5, 16\]/],
    [
      { kernel_size: 5, keep_3x3: false },
      /"paths.0.conv.weight" has shape \[16, 16, 3, 3\], but must be \[16, 16, 5, 5\]; "paths.1.conv.weight" has/,
    ],
    [{ groups: 64 }, /"paths.0.conv.weight" has shape \[16, 16, 3, 3\], but must be \[16, 1, 3, 3\]/],
    [
      { attn_channels: 4 },
      'SelectiveKernel: attn_channels is 4, but out_channels 16, rd_divisor 8 and rd_ratio 0.0625 make 8. Leave it out, or correct rd_ratio.',
    ],
    [
      { kernel_size: [3], paths: [{ k: 3, dilation: 2, padding: 2, stride: 1, groups: 1 }] },
      'SelectiveKernel: paths is [{"k":3,"dilation":2,"padding":2,"stride":1,"groups":1}], but stride 1, dilation 1, groups 1, keep_3x3 true and kernel_size [3] ' +
        'make [{"k":3,"dilation":1,"padding":1,"stride":1,"groups":1}]. Leave it out, or correct kernel_size.',
    ],
    [{ impl: 'pppLang' as never }, 'SelectiveKernel: impl is "pppLang", but must be "timm". Leave it out.'],
    [{ kernel_sizes: [3] } as object, /^SelectiveKernel: unknown argument "kernel_sizes" .* Did you mean "kernel_size"\?/],
  ])('refuses %j, which does not fit', (wrong, message) => {
    expect(() => fromTorch({ config: { ...config, ...wrong }, state })).toThrow(message);
  });

  test('a bottleneck of timm’s networks', async () => {
    const kernels: [path: string, key: string, shape: number[]][] = [
      ['reduce/conv', 'conv1.conv', [16, 12, 1, 1]],
      ['convolution/branch0/conv', 'conv2.paths.0.conv', [16, 8, 3, 3]],
      ['convolution/branch1/conv', 'conv2.paths.1.conv', [16, 8, 3, 3]],
      ['convolution/reduce', 'conv2.attn.fc_reduce', [3, 16, 1, 1]],
      ['convolution/select', 'conv2.attn.fc_select', [32, 3, 1, 1]],
      ['expand/conv', 'conv3.conv', [32, 16, 1, 1]],
      ['project/conv', 'downsample.0', [32, 12, 1, 1]],
    ];
    const norms: [path: string, key: string, channels: number][] = [
      ['reduce/norm', 'conv1.bn', 16],
      ['convolution/branch0/norm', 'conv2.paths.0.bn', 16],
      ['convolution/branch1/norm', 'conv2.paths.1.bn', 16],
      ['convolution/norm', 'conv2.attn.bn', 3],
      ['expand/norm', 'conv3.bn', 32],
      ['project/norm', 'downsample.1', 32],
    ];
    const values = { gamma: 'weight', beta: 'bias', movingMean: 'running_mean', movingVariance: 'running_var' };
    const pairs = [
      ...kernels.map(([path, key, shape]) => [`${path}/kernel`, `${key}.weight`, shape] as const),
      ...norms.flatMap(([path, key, channels]) =>
        Object.entries(values).map(([ours, theirs]) => [`${path}/${ours}`, `${key}.${theirs}`, [channels]] as const),
      ),
    ];
    const numbered = pairs.map(([, key, shape], i) => [key, { shape, data: new Float32Array(shape.reduce((a, b) => a * b)).fill(i) }] as const);
    const layer = selectiveKernelUnitFromTorch({
      config: { inplanes: 12, planes: 8, stride: 2, cardinality: 2, sk_kwargs: { split_input: false, rd_channels: 3 } },
      state: Object.fromEntries(numbered),
    });
    expect(layer.options).toMatchObject({ filters: 32, bottleneckWidth: 64, stride: 2, groups: 2, width: 3, splitInput: false });
    const read = readerOf(layer);
    for (const [i, [path]] of pairs.entries()) expect(new Set(await read(path).data()), path).toEqual(new Set([i]));
  });
});

testReadme(folder);

type Reader = (path: string) => tf.Tensor;

function readerOf(layer: { name: string; weights: { originalName: string; read(): tf.Tensor }[] }): Reader {
  return (path) => layer.weights.find(({ originalName }) => originalName === `${layer.name}/${path}`)!.read();
}

/** A selective kernel convolution at inference, as its PyTorch code reads. */
function plain(x: tf.Tensor4D, read: Reader, options: Required<SelectiveKernelOptions>): { y: tf.Tensor4D; channel: tf.Tensor } {
  const { kernelSizes, keep3x3, groups, stride, dilation, splitInput } = options;
  const inputs = splitInput ? tf.split<tf.Tensor4D>(x, kernelSizes.length, 3) : kernelSizes.map(() => x);
  const paths = kernelSizes.map((size, i) => {
    const rate = keep3x3 && size > 1 ? (dilation * (size - 1)) / 2 : dilation;
    const padding = Math.floor((stride - 1 + dilation * (size - 1)) / 2);
    return tf.relu(plainConvNorm(inputs[i], read, `branch${i}`, { groups, stride, dilation: rate, padding }));
  });
  const u = tf.stack(paths, 1); // [N, M, H, W, C]
  const s = tf.mean(tf.sum(u, 1), [1, 2]);
  const z = tf.relu(plainNorm(tf.matMul(s, read('reduce/kernel')), read, 'norm'));
  const logits = tf.exp(tf.reshape(tf.matMul(z, read('select/kernel')), [x.shape[0], paths.length, -1]));
  const channel = tf.div(logits, tf.sum(logits, 1, true)); // [N, M, C]
  const each = tf.unstack(channel, 1).map((weight) => tf.reshape(weight, [x.shape[0], 1, 1, -1]));
  return { y: tf.addN(paths.map((path, i) => tf.mul<tf.Tensor4D>(path, each[i]))), channel };
}

function plainConvNorm(x: tf.Tensor4D, read: Reader, name: string, { groups = 1, stride = 1, dilation = 1, padding = 0 } = {}): tf.Tensor4D {
  const kernels = tf.split<tf.Tensor4D>(read(`${name}/conv/kernel`), groups, 3);
  const frame: [number, number] = [padding, padding];
  const padded = tf.split<tf.Tensor4D>(tf.pad(x, [[0, 0], frame, frame, [0, 0]]), groups, 3);
  const y = tf.concat(
    padded.map((part, i) => tf.conv2d(part, kernels[i], 1, 'valid', 'NHWC', dilation)),
    3,
  );
  return plainNorm(tf.stridedSlice(y, [0, 0, 0, 0], y.shape, [1, stride, stride, 1]) as tf.Tensor4D, read, `${name}/norm`);
}

function plainNorm<T extends tf.Tensor>(x: T, read: Reader, name: string): T {
  const [gamma, beta, mean, variance] = ['gamma', 'beta', 'movingMean', 'movingVariance'].map((weight) => read(`${name}/${weight}`));
  return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5))), gamma), beta);
}
