import {
  GlobalSecondOrderBottleneck,
  globalSecondOrderBottleneck,
  globalSecondOrderPooling,
  positionSecondOrderPooling,
  type GlobalSecondOrderBottleneckOptions,
} from '@saccade/gsop';
import { fromTorch, positionSecondOrderPoolingFromTorch } from '@saccade/gsop/torch';
import { casesOn, equalsPlain, onEachBackend, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

const rank = (title: string) =>
  [
    [null, 7, 12],
    `${title}: the input has shape [null, 7, 12], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.`,
  ] as const;

testGoldens(path.join(folder, 'test/golden'), { gsop: fromTorch });

testReadme(folder);

describe('GlobalSecondOrderPooling', () => {
  testBlock({
    package: '@saccade/gsop',
    create: globalSecondOrderPooling,
    input: [2, 5, 7, 12],
    options: { width: 5, reductionStride: 2, leakyRelu: true },
    inert: ['reduce/bias'], // in training, the batch norm takes its mean off
    costs: [
      [{}, [1, 56, 56, 256], 230_784, 28 * 28 * (256 * 128 + 128 * 128) + 512 * (128 + 256)],
      [{}, [1, 28, 28, 512], 394_880, 28 * 28 * (512 * 128 + 128 * 128) + 512 * (128 + 512)],
      [{ reductionStride: 2 }, [2, 7, 5, 1024], 723_072, 2 * (4 * 3 * (1024 * 128 + 128 * 128) + 512 * (128 + 1024))],
      [{}, [1, 14, 14, 2048], 1_379_456, 14 * 14 * (2048 * 128 + 128 * 128) + 512 * (128 + 2048)],
    ],
    refused: [
      [{ width: 0 }, 'GlobalSecondOrderPooling: option "width" is 0, but must be a whole number ≥ 1. Leave it out for the default, 128.'],
      [
        { reductionStride: 1.5 },
        'GlobalSecondOrderPooling: option "reductionStride" is 1.5, but must be a whole number ≥ 1, or null. Leave it out for the default, null.',
      ],
    ],
    refusedInputs: [rank('GlobalSecondOrderPooling')],
  });

  test('adds to a ResNet-50 the parameters and multiply-adds of the official network, less its product with a P×P matrix', () => {
    const costs = [
      [56, 256],
      [28, 512],
      [14, 1024],
      [14, 2048],
    ].map(([side, channels]) => globalSecondOrderPooling().cost([1, side, side, channels]));
    const total = (of: 'params' | 'macs') => costs.reduce((sum, cost) => sum + cost[of], 0);
    expect(total('params')).toBe(28_285_224 - 25_557_032);
    const products = [784, 784, 196, 196].reduce((sum, positions) => sum + positions ** 2 * 128, 0);
    expect(total('macs')).toBe(6_564_286_464 - 6_208_618_496 - products);
  });
});

describe('PositionSecondOrderPooling', () => {
  testBlock({
    package: '@saccade/gsop',
    create: positionSecondOrderPooling,
    input: [2, 9, 3, 5],
    options: { width: 5 },
    inert: ['reduce/bias'],
    costs: [[{}, [1, 56, 56, 256], 66_368, 56 * 56 * 256 * 128 + 64 * 64 * 128 + 256 * (64 + 64)]],
    refused: [
      [{ width: 2.5 }, 'PositionSecondOrderPooling: option "width" is 2.5, but must be a whole number ≥ 1. Leave it out for the default, 128.'],
    ],
    refusedInputs: [rank('PositionSecondOrderPooling')],
  });
});

describe('GlobalSecondOrderBottleneck', () => {
  testBlock({
    package: '@saccade/gsop',
    create: globalSecondOrderBottleneck,
    input: [2, 5, 7, 6],
    options: { filters: 8, stride: 2, attention: 'sum', width: 5, reductionStride: 1, leakyRelu: true },
    inert: ['channel/reduce/bias', 'position/reduce/bias'],
    costs: [
      [{}, [1, 56, 56, 256], 70_400 + 230_784, 56 * 56 * 69_632 + 38_731_776],
      [
        { filters: 512, stride: 2, attention: 'max' },
        [1, 56, 56, 256],
        379_392 + 394_880 + 99_136,
        56 * 56 * 256 * 128 + 28 * 28 * (9 * 128 * 128 + 128 * 512 + 256 * 512) + 64_552_960 + 51_937_280,
      ],
    ],
    refused: [
      [
        { attention: '+' },
        'GlobalSecondOrderBottleneck: option "attention" is "+", but must be "channel", "position", "sum" or "max". Leave it out for the default, "channel".',
      ],
      [
        { filters: 6 },
        'GlobalSecondOrderBottleneck: the output would have 6 channels, but their number must be a multiple of 4. Give such a number as "filters".',
      ],
    ],
    refusedInputs: [rank('GlobalSecondOrderBottleneck')],
  });

  onEachBackend((backend) => {
    const cases: [GlobalSecondOrderBottleneckOptions, number[]][] = [
      [{ attention: 'channel', width: 6, leakyRelu: true }, [2, 7, 5, 8]],
      [{ attention: 'position', width: 5 }, [1, 9, 6, 8]],
      [{ attention: 'sum', width: 66, stride: 2, reductionStride: 1 }, [3, 9, 21, 8]],
      [{ attention: 'max', width: 4, filters: 8, reductionStride: 3 }, [1, 16, 8, 5]],
    ];
    test.each(casesOn(backend, cases))('equals the official code as it reads: %j on %j', async (options, shape) => {
      await equalsPlain(globalSecondOrderBottleneck(options), shape, plain);
    });
  });
});

describe('from PyTorch', () => {
  const state = (shapes: Record<string, number[]>) =>
    Object.fromEntries(
      Object.entries(shapes).flatMap(([key, shape]) => {
        const zeros = { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) };
        const isNorm = /^(bn|row_bn|downsample.1)/.test(key);
        return isNorm ? ['weight', 'bias', 'running_mean', 'running_var'].map((name) => [`${key}.${name}`, zeros]) : [[key, zeros]];
      }),
    );
  const channel = {
    'conv_for_DR.weight': [5, 12, 1, 1],
    'conv_for_DR.bias': [5],
    bn_for_DR: [5],
    row_bn: [5],
    'row_conv_group.weight': [20, 1, 5, 1],
    'row_conv_group.bias': [20],
    'fc_adapt_channels.weight': [12, 20, 1, 1],
    'fc_adapt_channels.bias': [12],
  };
  const position = {
    'conv_for_DR_spatial.weight': [5, 12, 1, 1],
    'conv_for_DR_spatial.bias': [5],
    bn_for_DR_spatial: [5],
    row_bn_for_spatial: [64],
    'row_conv_group_for_spatial.weight': [256, 1, 64, 1],
    'row_conv_group_for_spatial.bias': [256],
    'fc_adapt_channels_for_spatial.weight': [64, 256, 1, 1],
    'fc_adapt_channels_for_spatial.bias': [64],
  };
  const convolutions = { 'conv1.weight': [3, 6, 1, 1], bn1: [3], 'conv2.weight': [3, 3, 3, 3], bn2: [3], 'conv3.weight': [12, 3, 1, 1], bn3: [12] };
  const downsample = { 'downsample.0.weight': [12, 6, 1, 1], 'downsample.1': [12] };
  const config = { inplanes: 6, planes: 3, att_dim: 5 };

  test.each([
    [{}, channel, 'channel'],
    [{ attention: '1' }, channel, 'channel'],
    [{ attention: '2' }, position, 'position'],
    [{ attention: '+' }, { ...channel, ...position }, 'sum'],
    [{ attention: 'M', stride: 2, channels: 12, dr_stride: 1 }, { ...channel, ...position }, 'max'],
  ])('a Bottleneck with %j', (given: object, pooling, attention) => {
    const layer = fromTorch({
      config: { ...config, ...given },
      state: state({ ...convolutions, ...downsample, ...pooling }),
    });
    expect(layer).toBeInstanceOf(GlobalSecondOrderBottleneck);
    expect(layer.options).toMatchObject({ attention, filters: 12, width: 5, leakyRelu: false });
  });

  test('the position attention alone', () => {
    const layer = positionSecondOrderPoolingFromTorch({ config: { channels: 12, att_dim: 5 }, state: state(position) });
    expect(layer.options).toEqual({ width: 5 });
  });

  test('reduces with the stride that follows from the number of channels', () => {
    const perPixel = (given: object) => {
      const layer = fromTorch({ config: { channels: 12, att_dim: 5, ...given }, state: state(channel) });
      return (layer.cost([1, 8, 8, 12]).macs - 20 * (5 + 12)) / (12 * 5 + 5 * 5);
    };
    expect(perPixel({})).toBe(16);
    expect(perPixel({ dr_stride: 1 })).toBe(64);
    expect(globalSecondOrderPooling().cost([1, 8, 8, 257]).macs).toBe(64 * (257 * 128 + 128 * 128) + 512 * (128 + 257));
  });

  test.each([
    [{ ...config, channels: 16 }, 'Bottleneck: channels is 16, but planes 3 makes 12. Leave it out, or correct planes.'],
    [{ ...config, attention: '&' }, 'Bottleneck: attention is "&", but must be "1", "2", "+" or "M", as strings.'],
    [{ ...config, attention: '2' }, /"conv_for_DR_spatial.weight" \[5, 12\] is missing.*"conv_for_DR.weight" \[5, 12, 1, 1\] is left over/],
    [{ ...config, inplanes: 12 }, /"downsample.0.weight" \[12, 6, 1, 1\] is left over/],
    [{ planes: 3 }, 'Bottleneck: missing argument "inplanes". Give it as the PyTorch constructor got it.'],
    [{ channels: 12, attdim: 5 }, /^chan_att: unknown argument "attdim" \(received 5\). Did you mean "att_dim"\?/],
    [{ att_dim: 5 }, 'GSoP: received the arguments {"att_dim":5}. Give "inplanes" and "planes" for a Bottleneck, or "channels" for its chan_att.'],
  ])('refuses %j, which does not fit', (wrong, message) => {
    expect(() => fromTorch({ config: wrong as never, state: state({ ...convolutions, ...downsample, ...channel }) })).toThrow(message);
  });
});

/** The official `Bottleneck` at inference, as its PyTorch code reads, and the paper's leaky ReLU. */
function plain(layer: GlobalSecondOrderBottleneck, x: tf.Tensor4D): { y: tf.Tensor; channel?: tf.Tensor; spatial?: tf.Tensor } {
  const { attention, stride, reductionStride, leakyRelu } = layer.options;
  const weight = (path: string) => layer.weights.find(({ originalName }) => originalName.endsWith(`/${path}`))!.read();
  const norm = (x: tf.Tensor, name: string, axis = x.rank - 1) => {
    const values = (which: string) =>
      tf.reshape(
        weight(`${name}/${which}`),
        x.shape.map((size, i) => (i === axis ? size : 1)),
      );
    const normal = tf.div(tf.sub(x, values('movingMean')), tf.sqrt(tf.add(values('movingVariance'), 1e-5)));
    return tf.add(tf.mul(normal, values('gamma')), values('beta')) as tf.Tensor4D;
  };
  const convNorm = (x: tf.Tensor4D, name: string, stride = 1) => {
    const kernel = weight(`${name}/conv/kernel`) as tf.Tensor4D;
    return norm(tf.conv2d(x, kernel, stride, (kernel.shape[0] - 1) / 2), `${name}/norm`);
  };
  const linear = (x: tf.Tensor, name: string) => {
    const kernel = weight(`${name}/kernel`);
    const rows = tf.reshape(x, [-1, x.shape.at(-1)!]);
    const y = tf.add(tf.matMul(rows, tf.reshape(kernel, kernel.shape.slice(-2))), weight(`${name}/bias`));
    return tf.reshape(y, [...x.shape.slice(0, -1), kernel.shape.at(-1)!]);
  };
  // X·Î·Xᵀ of the rows of `x`, `[N, D, M]`, with Î = I / divisor − 1 / divisor².
  const secondOrder = (x: tf.Tensor, divisor: number): tf.Tensor => {
    const size = x.shape[2] as number;
    const centring = tf.sub(tf.mul(tf.eye(size), 1 / divisor), 1 / divisor ** 2);
    return tf.stack(tf.unstack(x).map((x) => tf.matMul(tf.matMul(x as tf.Tensor2D, centring), x as tf.Tensor2D, false, true)));
  };
  const excite = (covariance: tf.Tensor, part: string, activate: (x: tf.Tensor) => tf.Tensor) => {
    const rows = tf.unstack(norm(covariance, `${part}/rowNorm`, 1), 1); // each [N, d]
    const kernels = tf.unstack(tf.squeeze(weight(`${part}/rowConv/kernel`), [1]), 1); // each [d, 4]
    const values = tf.concat(
      rows.map((row, i) => tf.matMul(row as tf.Tensor2D, kernels[i] as tf.Tensor2D)),
      1,
    );
    return tf.sigmoid(linear(activate(tf.add(values, weight(`${part}/rowConv/bias`))), `${part}/expand`));
  };
  const channelAttention = (x: tf.Tensor4D) => {
    const step = reductionStride ?? (x.shape[3] > 256 ? 1 : 2);
    const strided = tf.stridedSlice(tf.relu(x), [0, 0, 0, 0], x.shape, [1, step, step, 1]);
    const z = tf.relu(norm(linear(strided, 'channel/reduce'), 'channel/reduceNorm'));
    const [images, height, width, d] = z.shape;
    const features = tf.transpose(tf.reshape(z, [images, height * width, d]), [0, 2, 1]);
    return excite(secondOrder(features, height * width), 'channel', (x) => (leakyRelu ? tf.leakyRelu(x, 0.1) : x));
  };
  const positionAttention = (x: tf.Tensor4D) => {
    const z = norm(linear(tf.relu(x), 'position/reduce'), 'position/reduceNorm');
    const features = tf.reshape(adaptiveAvgPool(z, [8, 8]), [x.shape[0], 64, z.shape[3]]);
    const gate = excite(secondOrder(features, 64), 'position', tf.relu);
    return tf.squeeze(adaptiveAvgPool(tf.reshape(gate, [-1, 8, 8, 1]), [x.shape[1], x.shape[2]]), [3]);
  };

  const branch = convNorm(tf.relu(convNorm(tf.relu(convNorm(x, 'reduce')), 'conv', stride)), 'expand');
  const gates = {
    ...(attention !== 'position' && { channel: channelAttention(branch) }),
    ...(attention !== 'channel' && { spatial: positionAttention(branch) }),
  };
  const results = [
    ...(gates.channel ? [tf.mul(branch, tf.reshape(gates.channel, [x.shape[0], 1, 1, -1]))] : []),
    ...(gates.spatial ? [tf.relu(tf.mul(branch, tf.expandDims(gates.spatial, 3)))] : []),
  ];
  const pooled = results.reduce(attention === 'max' ? tf.maximum : tf.add);
  const projected = stride > 1 || x.shape[3] !== branch.shape[3];
  return { y: tf.relu(tf.add(pooled, projected ? convNorm(x, 'shortcut', stride) : x)), ...gates };
}

/** PyTorch's `adaptive_avg_pool2d`, window by window. */
function adaptiveAvgPool(x: tf.Tensor4D, [height, width]: [number, number]): tf.Tensor4D {
  const spans = (size: number, count: number) =>
    Array.from({ length: count }, (_, i) => [Math.floor((i * size) / count), Math.ceil(((i + 1) * size) / count)]);
  const rows = spans(x.shape[1], height).map(([top, bottom]) =>
    tf.stack(
      spans(x.shape[2], width).map(([left, right]) => tf.mean(tf.slice(x, [0, top, left, 0], [-1, bottom - top, right - left, -1]), [1, 2])),
      1,
    ),
  );
  return tf.stack(rows, 1) as tf.Tensor4D;
}
