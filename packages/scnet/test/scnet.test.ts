import type { Block, Cost } from '@saccade/core';
import { readSafetensors, type StateDict } from '@saccade/core/torch';
import {
  selfCalibratedBottleneck,
  selfCalibratedConv,
  type SelfCalibratedBottleneck,
  type SelfCalibratedBottleneckOptions,
  type SelfCalibratedConvOptions,
} from '@saccade/scnet';
import { fromTorch } from '@saccade/scnet/torch';
import { casesOn, closeTo, equalsPlain, onEachBackend, random, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

describe('SelfCalibratedConv', () => {
  testBlock({
    package: '@saccade/scnet',
    create: selfCalibratedConv,
    input: [2, 5, 7, 6],
    options: { poolingRate: 2, upsampling: 'bilinear', stride: 2, dilation: 3, groups: 2 },
    costs: [
      [{}, [1, 8, 8, 16], 7008, 2304 * (64 + 64 + 4)],
      [{ poolingRate: 3, stride: 2, dilation: 2, groups: 4 }, [3, 11, 7, 8], 3 * 144 + 3 * 16, 3 * 144 * (77 + 24 + 6)],
    ],
    refused: [
      [{ poolingRate: 0 }, 'SelfCalibratedConv: option "poolingRate" is 0, but must be a whole number ≥ 1. Leave it out for the default, 4.'],
      [{ groups: 4 }, 'SelfCalibratedConv: option "groups" is 4, but must divide the 6 channels. Give a divisor of 6.'],
      [
        { upsampling: 'cubic' },
        'SelfCalibratedConv: option "upsampling" is "cubic", but must be "nearest" or "bilinear". Leave it out for the default, "nearest".',
      ],
    ],
    refusedInputs: [
      [
        [null, 9, 1, 6],
        'SelfCalibratedConv: the input has shape [null, 9, 1, 6], but each position axis must have at least 2. Give a larger map, or leave the block out at this depth.',
      ],
    ],
  });

  onEachBackend((backend) => {
    test.each<[shape: number[], options: SelfCalibratedConvOptions]>(
      casesOn(backend, [
        [[1, 4, 7, 4], {}],
        [[3, 7, 8, 6], { poolingRate: 3, stride: 3, dilation: 2, groups: 3 }],
        [[2, 9, 5, 6], { poolingRate: 2, stride: 2, dilation: 4 }],
        [[1, 3, 3, 4], { poolingRate: 1, upsampling: 'bilinear', groups: 4 }],
        [[2, 11, 6, 4], { upsampling: 'bilinear', stride: 2 }],
      ]),
    )('equals plain ops on %j with %j', async (shape, options) => {
      await equalsPlainWithGradients(selfCalibratedConv(options), shape, (layer, x) => plainConv(weightsOf(layer), layer.options, x), backend);
    });
  });
});

describe('SelfCalibratedBottleneck', () => {
  testBlock({
    package: '@saccade/scnet',
    create: selfCalibratedBottleneck,
    input: [2, 4, 5, 6],
    options: {
      filters: 12,
      bottleneckWidth: 64,
      averageDown: true,
      shortcut: 'pooledProjection',
      poolingRate: 3,
      upsampling: 'bilinear',
      stride: 2,
      dilation: 2,
      groups: 2,
    },
    costs: [[{ filters: 32, stride: 2, averageDown: true }, [1, 9, 12, 16], 1648, 84_384]],
    refused: [
      [{ filters: 6, bottleneckWidth: 32 }, /bottleneckWidth 32 leaves no channel of 6 filters. Give a bottleneckWidth of at least 43\./],
      [
        { shortcut: 'identity', filters: 12 },
        'SelfCalibratedBottleneck: option "shortcut" is "identity", but the branch turns 6 channels into 12 with stride 1. Give "projection" or "pooledProjection", or leave it out.',
      ],
      [{ shortcut: 'identity', filters: 6, stride: 2, bottleneckWidth: 64 }, /the branch turns 6 channels into 6 with stride 2/],
    ],
    refusedInputs: [
      [
        [null, 2, 9, 6],
        'SelfCalibratedBottleneck: the input has shape [null, 2, 9, 6], but each position axis must have at least 3. Give a larger map, or leave the block out at this depth.',
      ],
    ],
  });

  onEachBackend((backend) => {
    test.each<[shape: number[], options: SelfCalibratedBottleneckOptions, shortcut: string]>(
      casesOn(backend, [
        [[1, 5, 9, 16], {}, 'identity'],
        [[2, 7, 6, 16], { shortcut: 'projection', averageDown: true, bottleneckWidth: 64 }, 'projection'],
        [[3, 6, 7, 8], { filters: 24, stride: 2, dilation: 2, groups: 3, poolingRate: 2 }, 'projection'],
        [[1, 9, 7, 8], { filters: 16, stride: 2, averageDown: true, shortcut: 'pooledProjection', upsampling: 'bilinear' }, 'pooledProjection'],
        [[2, 8, 11, 8], { stride: 3, averageDown: true, shortcut: 'pooledProjection', bottleneckWidth: 96 }, 'pooledProjection'],
      ]),
    )('equals plain ops on %j with %j', async (shape, options, shortcut) => {
      await equalsPlainWithGradients(selfCalibratedBottleneck(options), shape, (layer, x) => plainBottleneck(layer, shortcut, x), backend);
    });
  });

  // Of the official networks; their multiply-adds are known in units of 10⁶.
  test.each([
    ['SCNet-50', [3, 4, 6, 3], null, 25_564_584, 3925],
    ['SCNet-101', [3, 4, 23, 3], null, 44_565_416, 7169],
    ['SCNet-50 v1d', [3, 4, 6, 3], 32, 25_583_816, 4685],
    ['SCNet-101 v1d', [3, 4, 23, 3], 64, 44_689_192, 9044],
  ] as const)('makes %s of the size that it has', (_, depths, deepStem, params, megaMacs) => {
    const total = network(depths, deepStem);
    expect(total.params).toBe(params);
    expect(Math.round(total.macs / 1e6)).toBe(megaMacs);
  });
});

testGoldens(path.join(folder, 'test/golden'), { scnet: fromTorch });

describe('from PyTorch', () => {
  const golden = (name: string): { state: StateDict; input: tf.Tensor4D } => {
    const { tensors } = readSafetensors(readFileSync(path.join(folder, `test/golden/scnet-${name}.safetensors`)));
    const state = Object.fromEntries(Object.entries(tensors).flatMap(([key, value]) => (key.startsWith('state.') ? [[key.slice(6), value]] : [])));
    return { state, input: random([1, 5, 6, 16]) as tf.Tensor4D };
  };
  const conv = { module: 'SCConv', inplanes: 16 } as const;
  const bottleneck = { module: 'SCBottleneck', inplanes: 16, planes: 8 } as const;

  test("has the official constructors' defaults", () => {
    expect(fromTorch({ config: conv, state: golden('basic').state }).options).toEqual(selfCalibratedConv().options);
    expect(fromTorch({ config: bottleneck, state: golden('bottleneck-avd-s2').state }).options).toEqual(
      selfCalibratedBottleneck({ filters: 32, shortcut: 'projection' }).options,
    );
  });

  test.each([
    [{ avd: true }, false],
    [{ avd: true, stride: 2 }, true],
    [{ avd: true, is_first: true }, true],
    [{ avd: false, stride: 2, is_first: true }, false],
  ])('pools on the way down as the module does: %j', (config, averageDown) => {
    const layer = fromTorch({ config: { ...bottleneck, ...config }, state: golden('bottleneck-avd-s2').state });
    expect(layer.options).toMatchObject({ averageDown });
  });

  test('reads the downsample of a v1d network, and a module without one', () => {
    const { state } = golden('bottleneck-avd-s2');
    const shifted = { 'downsample.0': 'downsample.1', 'downsample.1': 'downsample.2' };
    const renamed = (from: (key: string) => string | null): StateDict =>
      Object.fromEntries(Object.entries(state).flatMap(([key, value]) => (from(key) === null ? [] : [[from(key)!, value]])));
    const v1d = renamed((key) => key.replace(/^downsample\.\d/, (part) => shifted[part as keyof typeof shifted]));
    expect(fromTorch({ config: { ...bottleneck, downsample: true }, state: v1d }).options).toMatchObject({ shortcut: 'pooledProjection' });
    const without = renamed((key) => (key.startsWith('downsample') ? null : key));
    expect(() => fromTorch({ config: bottleneck, state: without })).toThrow(
      /option "shortcut" is "identity", but the branch turns 16 channels into 32/,
    );
  });

  test.each([
    ['basic', { ...conv, planes: 8 }, 'SCConv: planes is 8, but inplanes 16 makes 16. Leave it out, or correct inplanes.'],
    ['basic', { ...conv, padding: 1, dilation: 2 }, 'SCConv: padding is 1, but dilation 2 makes 2. Leave it out, or correct dilation.'],
    ['basic', { ...conv, pooling: 4 }, /^SCConv: unknown argument "pooling" .* Did you mean "pooling_r"\?/],
    ['basic', { ...bottleneck, module: 'SCNet' }, 'SCNet: received the argument "module" as "SCNet". Give "SCConv" or "SCBottleneck".'],
    [
      'bottleneck-avd-s2',
      { ...bottleneck, group_width: 8 },
      'SCBottleneck: group_width is 8, but planes 8, bottleneck_width 32 and cardinality 1 make 4. Leave it out, or correct cardinality.',
    ],
    ['bottleneck-avd-s2', { ...bottleneck, cardinality: 2 }, /"k1.0.weight" has shape \[4, 4, 3, 3\], but must be \[8, 4, 3, 3\]/],
    ['bottleneck-avd-s2', { ...bottleneck, inplanes: 32, downsample: false }, /"downsample.0.weight" \[32, 16, 1, 1\] is left over/],
  ])('refuses, of %s, the arguments %j', (name, config, message) => {
    expect(() => fromTorch({ config: config as never, state: golden(name).state })).toThrow(message);
  });
});

testReadme(folder);

/** A residual network of bottlenecks, 224×224 pixels and 1000 classes; v1d with a stem of three convolutions, the first of `deepStem` channels. */
function network(depths: readonly number[], deepStem: number | null): Cost {
  const stem =
    deepStem === null
      ? [[7, 3, 64]]
      : [
          [3, 3, deepStem],
          [3, deepStem, deepStem],
          [3, deepStem, 2 * deepStem],
        ];
  const costs: Cost[] = stem.map(([side, inputs, filters]) => ({
    params: side * side * inputs * filters + 2 * filters,
    macs: 112 * 112 * side * side * inputs * filters,
  }));
  let shape = [1, 56, 56, stem.at(-1)![2]];
  for (const [stage, depth] of depths.entries()) {
    for (let i = 0; i < depth; i++) {
      const stride = stage > 0 && i === 0 ? 2 : 1;
      const v1d = deepStem !== null && i === 0;
      const options: SelfCalibratedBottleneckOptions = { filters: 256 * 2 ** stage, stride };
      const layer = selfCalibratedBottleneck(v1d ? { ...options, averageDown: stride > 1, shortcut: 'pooledProjection' } : options);
      costs.push(layer.cost(shape));
      shape = layer.computeOutputShape(shape) as number[];
    }
  }
  costs.push({ params: 2_049_000, macs: 2_048_000 });
  return { params: costs.reduce((sum, { params }) => sum + params, 0), macs: costs.reduce((sum, { macs }) => sum + macs, 0) };
}

type Plain = { readonly y: tf.Tensor4D; readonly calibration: tf.Tensor };

/** Compares gradients too; not on WebGPU, where those of the goldens suffice, and more take long to compile. */
async function equalsPlainWithGradients<L extends Block<object>>(
  layer: L,
  shape: number[],
  plain: (layer: L, x: tf.Tensor4D) => Plain,
  backend: string,
): Promise<void> {
  await equalsPlain(layer, shape, plain);
  if (backend === 'webgpu') return;
  const x = tf.variable(random(shape, 9) as tf.Tensor4D);
  const probe = random(layer.computeOutputShape(shape) as number[], 5);
  const variables: tf.Variable[] = [x, ...layer.trainableWeights.map((weight) => weight.read() as tf.Variable)];
  const gradients = (y: () => tf.Tensor) => tf.variableGrads(() => tf.sum<tf.Scalar>(tf.mul(y(), probe)), variables).grads;
  const reference = gradients(() => plain(layer, x).y);
  for (const [name, gradient] of Object.entries(gradients(() => layer.apply(x) as tf.Tensor))) await closeTo(gradient, reference[name], 2e-4);
}

type Weights = (path: string) => tf.Tensor;

function weightsOf(layer: Block<object>, prefix = ''): Weights {
  return (path) => layer.weights.find(({ originalName }) => originalName === `${layer.name}/${prefix}${path}`)!.read();
}

/** SCConv at inference, as its PyTorch code reads. */
function plainConv(
  weight: Weights,
  { poolingRate, upsampling, stride, dilation, groups }: Required<SelfCalibratedConvOptions>,
  x: tf.Tensor4D,
): Plain {
  const [, height, width] = x.shape;
  const size = [Math.floor(height / poolingRate), Math.floor(width / poolingRate)];
  const whole = tf.slice(x, [0, 0, 0, 0], [-1, size[0] * poolingRate, size[1] * poolingRate, -1]);
  const k2 = convNorm(weight, 'k2', windowMeans(whole, poolingRate, poolingRate), { dilation, groups });
  const up = interpolated(interpolated(k2, 1, height, upsampling), 2, width, upsampling);
  const calibration = tf.sigmoid(tf.add(x, up));
  const out = tf.mul<tf.Tensor4D>(convNorm(weight, 'k3', x, { dilation, groups }), calibration);
  return { y: convNorm(weight, 'k4', out, { stride, dilation, groups }), calibration };
}

/** SCBottleneck at inference, as its PyTorch code reads. */
function plainBottleneck(layer: SelfCalibratedBottleneck, shortcut: string, x: tf.Tensor4D): Plain {
  const { averageDown, stride, dilation, groups } = layer.options;
  const weight = weightsOf(layer);
  const inner = averageDown ? 1 : stride;
  const a = tf.relu(convNorm(weight, 'k1', tf.relu(convNorm(weight, 'reduceA', x)), { stride: inner, dilation, groups }));
  const scconv = plainConv(weightsOf(layer, 'calibrated/'), { ...layer.options, stride: inner }, tf.relu(convNorm(weight, 'reduceB', x)));
  const pool = (half: tf.Tensor4D) => (averageDown ? windowMeans(framed(half, 1, 1, 1), 3, stride) : half);
  const out = convNorm(weight, 'expand', tf.concat([pool(a), pool(tf.relu(scconv.y))], 3));
  const [bottom, right] = [x.shape[1], x.shape[2]].map((size) => (stride - (size % stride)) % stride);
  const shares = windowMeans(framed(tf.onesLike(x), 0, bottom, right), stride, stride);
  const residual = {
    identity: () => x,
    projection: () => convNorm(weight, 'project', x, { stride }),
    pooledProjection: () => convNorm(weight, 'project', tf.div(windowMeans(framed(x, 0, bottom, right), stride, stride), shares)),
  }[shortcut]!();
  return { y: tf.relu(tf.add(out, residual)), calibration: scconv.calibration };
}

/** A convolution and its batch norm. */
function convNorm(weight: Weights, name: string, x: tf.Tensor4D, { stride = 1, dilation = 1, groups = 1 } = {}): tf.Tensor4D {
  const kernel = spaced(weight(`${name}/conv/kernel`) as tf.Tensor4D, dilation);
  const edge = (kernel.shape[0] - 1) / 2;
  const each = (map: tf.Tensor4D): tf.Tensor4D[] => (groups === 1 ? [map] : tf.split(map, groups, 3));
  const kernels = each(kernel);
  const outputs = each(framed(x, edge, edge, edge)).map((part, i) => tf.conv2d(part, kernels[i], 1, 'valid'));
  const dense = tf.concat(outputs, 3);
  const steps = (size: number) => tf.range(0, size, stride, 'int32');
  const y = tf.gather(tf.gather(dense, steps(x.shape[1]), 1), steps(x.shape[2]), 2);
  const normal = tf.div(tf.sub(y, weight(`${name}/norm/movingMean`)), tf.sqrt(tf.add(weight(`${name}/norm/movingVariance`), 1e-5)));
  return tf.add(tf.mul(normal, weight(`${name}/norm/gamma`)), weight(`${name}/norm/beta`));
}

/** A dilated kernel, as a larger one that is 0 between its taps. */
function spaced(kernel: tf.Tensor4D, dilation: number): tf.Tensor4D {
  const [side, , inputs, filters] = kernel.shape;
  const gap = dilation - 1;
  const columns = framed(tf.reshape(kernel, [side, side, 1, inputs * filters]), 0, 0, gap);
  const rows = framed(tf.reshape(columns, [side, 1, side * dilation, inputs * filters]), 0, gap, 0);
  const taps: tf.Tensor4D = tf.reshape(rows, [side * dilation, side * dilation, inputs, filters]);
  return tf.slice(taps, [0, 0, 0, 0], [side * dilation - gap, side * dilation - gap, -1, -1]);
}

/** One axis interpolated by a product with the weights that each pixel of the result gives those of `x`. */
function interpolated(x: tf.Tensor4D, axis: 1 | 2, size: number, upsampling: 'nearest' | 'bilinear'): tf.Tensor4D {
  const from = x.shape[axis];
  const rows = Array.from({ length: size }, (_, i) => {
    const at = upsampling === 'nearest' ? Math.floor((i * from) / size) : (i * (from - 1)) / (size - 1);
    return Array.from({ length: from }, (_, j) => Math.max(0, 1 - Math.abs(at - j)));
  });
  const [batch, height, width, channels] = x.shape;
  const order = axis === 1 ? [1, 0, 2, 3] : [2, 1, 0, 3];
  const others = axis === 1 ? [batch, width, channels] : [height, batch, channels];
  const result = tf.matMul(tf.tensor2d(rows), tf.reshape(tf.transpose(x, order), [from, -1]));
  return tf.transpose(tf.reshape<tf.Rank.R4>(result, [size, ...others] as [number, number, number, number]), order);
}

/** The mean of each window that fits. */
function windowMeans(x: tf.Tensor4D, window: number, stride: number): tf.Tensor4D {
  return tf.depthwiseConv2d(x, tf.div(tf.ones<tf.Rank.R4>([window, window, x.shape[3], 1]), window * window), stride, 'valid');
}

function framed(x: tf.Tensor4D, before: number, bottom: number, right: number): tf.Tensor4D {
  return tf.pad(x, [
    [0, 0],
    [before, bottom],
    [before, right],
    [0, 0],
  ]);
}
