import { useBackend } from '@saccade/backends';
import { nonLocal, type NonLocal, type NonLocalOptions } from '@saccade/nonlocal';
import { fromCaffe2, fromMmcv, fromTorch } from '@saccade/nonlocal/torch';
import { casesOn, closeTo, onEachBackend, peakMemory, random, randomiseWeights, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

describe('embedded Gaussian', () => {
  testBlock({
    package: '@saccade/nonlocal',
    create: nonLocal,
    input: [2, 5, 7, 6],
    options: { mode: 'embeddedGaussian', useScale: true, subsample: 'beforeProjections', useOutputBias: false, epsilon: 1e-4 },
    inert: ['phi/bias'],
    costs: [
      [{}, [1, 14, 14, 1024], 2_101_760, 450_379_776],
      [{ subsample: 'afterProjections' }, [1, 14, 14, 1024], 2_101_760, 420_876_288],
      [{ norm: 'none' }, [1, 14, 14, 1024], 2_099_712, 450_379_776],
      [{ useOutputBias: false }, [1, 14, 14, 1024], 2_100_736, 450_379_776],
      [{ mode: 'gaussian' }, [1, 14, 14, 1024], 1_052_160, 264_527_872],
      [{ mode: 'dotProduct' }, [1, 14, 14, 1024], 2_101_760, 450_379_776],
      [{ mode: 'concatenation' }, [1, 14, 14, 1024], 2_102_784, 470_048_768],
      [{ useScale: true, subsample: 'beforeProjections' }, [1, 4, 14, 14, 1024], 2_101_760, 1_184_956_416],
      [{ useScale: true, subsample: 'beforeProjections' }, [1, 4, 28, 28, 512], 526_592, 2_286_419_968],
      [{ norm: 'none' }, [1, 97, 97, 512], 525_568, 50_260_017_664],
      [{ norm: 'affine', groupSize: 2 }, [1, 4, 14, 14, 1024], 2_099_712, 2 * (822_083_584 + 157_351_936)],
    ],
    refused: [
      [
        { mode: 'embedded_gaussian' },
        /option "mode" is "embedded_gaussian", but must be "gaussian", "embeddedGaussian", "dotProduct" or "concatenation"\./,
      ],
      [
        { useScale: true, mode: 'dotProduct' },
        'NonLocal: option "useScale" is true with mode "dotProduct", but only "embeddedGaussian" has a scale. Leave it out, or change the mode.',
      ],
      [{ innerChannels: 0 }, 'NonLocal: option "innerChannels" is 0, but must be a whole number ≥ 1, or null. Leave it out for the default, null.'],
    ],
    refusedInputs: [
      [
        [null, 6],
        'NonLocal: the input has shape [null, 6], of rank 2, but must be [N, length, channels], [N, height, width, channels] or [N, time, height, width, channels]. ' +
          'Add or remove axes with tf.reshape.',
      ],
      [
        [null, 1, 7, 6],
        'NonLocal: the input has shape [null, 1, 7, 6], but option "subsample" is "beforeProjections", which needs at least 2 positions along each axis of space. ' +
          'Give a larger map, or leave the option out.',
      ],
    ],
  });
});

describe('groups of frames', () => {
  testBlock({
    package: '@saccade/nonlocal',
    create: nonLocal,
    input: [2, 4, 3, 5, 4],
    options: { mode: 'dotProduct', subsample: 'afterProjections', norm: 'affine', groupSize: 2, innerChannels: 3 },
    costs: [],
    refused: [],
    refusedInputs: [
      [[null, 5, 7, 4], /option "groupSize" is 2, which needs \[N, time, height, width, channels\]\. Leave the option out, or give frames\./],
      [[null, 3, 5, 7, 4], /its 3 frames do not make groups of 2\. Give a multiple of 2 frames, or another groupSize\./],
    ],
  });
});

describe('concatenation', () => {
  testBlock({
    package: '@saccade/nonlocal',
    create: nonLocal,
    input: [3, 13, 5],
    options: { mode: 'concatenation', norm: 'none', useBias: false },
    costs: [],
    refused: [],
    refusedInputs: [],
  });
});

testGoldens(path.join(folder, 'test/golden'), { nonlocal: fromTorch, 'nonlocal-mmcv': fromMmcv, 'nonlocal-caffe2': fromCaffe2 });

testReadme(folder);

const MODES = ['gaussian', 'embeddedGaussian', 'dotProduct', 'concatenation'] as const;

function built(options: NonLocalOptions, shape: number[]): NonLocal {
  const layer = nonLocal(options);
  layer.build(shape);
  randomiseWeights(layer);
  return layer;
}

/** The block as its definition reads, with the whole attention: [output, attention]. */
function plain(layer: NonLocal, x: tf.Tensor): [tf.Tensor, tf.Tensor] {
  const { mode, subsample, useScale, norm, epsilon } = layer.options;
  const weight = (path: string) => layer.weights.find(({ originalName }) => originalName.endsWith(`/${path}`))?.read();
  const project = (name: string, x: tf.Tensor): tf.Tensor => {
    const y = tf.matMul(tf.reshape(x, [-1, x.shape.at(-1)!]), weight(`${name}/kernel`) as tf.Tensor2D);
    return tf.reshape(weight(`${name}/bias`) ? tf.add(y, weight(`${name}/bias`)!) : y, [...x.shape.slice(0, -1), -1]);
  };
  const halve = (x: tf.Tensor): tf.Tensor => {
    if (x.rank === 3) return tf.squeeze(tf.maxPool(tf.expandDims<tf.Tensor4D>(x, 2), [2, 1], [2, 1], 'valid'), [2]);
    if (x.rank === 4) return tf.maxPool(x as tf.Tensor4D, 2, 2, 'valid');
    const [batch, time, height, width, channels] = x.shape;
    const pooled = tf.maxPool(tf.reshape<tf.Rank.R4>(x, [batch * time, height, width, channels]), 2, 2, 'valid');
    return tf.reshape(pooled, [batch, time, ...pooled.shape.slice(1)]);
  };
  const before = (x: tf.Tensor) => (subsample === 'beforeProjections' ? halve(x) : x);
  const after = (x: tf.Tensor) => (subsample === 'afterProjections' ? halve(x) : x);
  const rows = (x: tf.Tensor): tf.Tensor3D => tf.reshape(x, [x.shape[0], -1, x.shape.at(-1)!]);
  const embed = (name: string, x: tf.Tensor) => (mode === 'gaussian' ? x : project(name, x));
  const [q, k, v] = [rows(embed('theta', x)), rows(after(embed('phi', before(x)))), rows(after(project('g', before(x))))];
  let f: tf.Tensor;
  if (mode === 'concatenation') {
    const shape = [q.shape[0], q.shape[1], k.shape[1], q.shape[2]];
    const pairs = tf.concat([tf.broadcastTo(tf.expandDims(q, 2), shape), tf.broadcastTo(tf.expandDims(k, 1), shape)], 3);
    f = tf.div(tf.relu(tf.sum(tf.mul(pairs, tf.reshape(weight('pair/kernel')!, [-1])), 3)), k.shape[1]);
  } else {
    const scores = tf.matMul(q, k, false, true);
    f = mode === 'dotProduct' ? tf.div(scores, k.shape[1]) : tf.softmax(tf.mul(scores, useScale ? q.shape[2] ** -0.5 : 1));
  }
  const z = project('out', tf.matMul(f, v));
  const [mean, variance] = [weight('norm/movingMean') ?? 0, weight('norm/movingVariance') ?? 1 - epsilon];
  const normal =
    norm === 'none' ? z : tf.add(tf.mul(tf.div(tf.sub(z, mean), tf.sqrt(tf.add(variance, epsilon))), weight('norm/gamma')!), weight('norm/beta')!);
  return [tf.add(tf.reshape(normal, x.shape), x), f];
}

onEachBackend((backend) => {
  const tolerance = backend === 'webgpu' ? 1e-4 : 2e-5;

  test.each(casesOn(backend, MODES))('equals its definition: %s', async (mode) => {
    const cases: [NonLocalOptions, number[]][] = [
      [{ norm: 'none' }, [1, 9, 5]],
      [{ subsample: 'beforeProjections', norm: 'affine' }, [3, 7, 6]],
      [{ subsample: 'afterProjections', useBias: false, epsilon: 0.1 }, [3, 5, 3, 4]],
      [{ innerChannels: 7, useOutputBias: false }, [2, 2, 3, 3]],
      [{ subsample: 'beforeProjections', reduction: 3, ...(mode === 'embeddedGaussian' && { useScale: true }) }, [2, 1, 5, 4, 6]],
      [{ subsample: 'afterProjections', useBias: false, useOutputBias: true }, [1, 3, 2, 5, 4]],
    ];
    // A software WebGPU takes long for each op: there, each rank and each way to subsample once.
    for (const [options, shape] of backend === 'webgpu' ? [cases[1], cases[3], cases[5]] : cases) {
      await useBackend('cpu');
      const layer = built({ mode, ...options }, shape);
      const [x, probe] = [random(shape, 31), random(shape, 32)];
      const gradient = (f: (x: tf.Tensor) => tf.Tensor) => tf.grad((x) => tf.sum(tf.mul(f(x), probe)))(x);
      const [output, attention] = plain(layer, x);
      const rows = tf.gather(attention, [4, 0, 4], 1);
      const slope = gradient((x) => plain(layer, x)[0]);
      await useBackend(backend);
      await closeTo(layer.apply(x) as tf.Tensor, output, tolerance);
      await closeTo(
        gradient((x) => layer.apply(x) as tf.Tensor),
        slope,
        10 * tolerance,
      );
      const { query } = layer.attentionMaps(x, { queries: [4, 0, 4] });
      await closeTo(query, rows, tolerance);
    }
  });

  test('groups of frames attend as videos of their own', async () => {
    for (const groupSize of [1, 2, 4]) {
      const layer = built({ groupSize }, [2, 4, 2, 3, 4]);
      const alone = built({}, [2, 4, 2, 3, 4]);
      const x = random([2, 4, 2, 3, 4], 5);
      const groups = tf.reshape(x, [-1, groupSize, 2, 3, 4]);
      await closeTo(layer.apply(x) as tf.Tensor, tf.reshape(alone.apply(groups) as tf.Tensor, x.shape), tolerance);
      const { query } = layer.attentionMaps(x, { queries: [23, 2] });
      const all = tf.reshape(plain(alone, groups)[1], [2, 4 * 6, -1]);
      await closeTo(query, tf.gather(all, [23, 2], 1), tolerance);
    }
  });
});

test.each([{ norm: 'batch' }, { norm: 'affine' }, { norm: 'none' }] as const)('starts as the identity: %j', async (options) => {
  const x = random([2, 4, 5, 6]);
  await closeTo(nonLocal(options).apply(x) as tf.Tensor, x, 0);
});

test('an affine norm is frozen', () => {
  const layer = built({ norm: 'affine' }, [1, 4, 4, 6]);
  expect(layer.trainableWeights.filter(({ originalName }) => originalName.includes('/norm/'))).toEqual([]);
  expect(layer.nonTrainableWeights).toHaveLength(2);
});

// 2500 positions: all pairs would take 25 MB.
test.each(MODES)('never holds the attention of all pairs: %s', async (mode) => {
  await useBackend('wasm');
  const layer = built({ mode }, [1, 50, 50, 4]);
  const { forward, training } = await peakMemory(layer, random([1, 50, 50, 4]));
  expect(forward).toBeLessThan(mode === 'dotProduct' ? 1 : 5);
  expect(training).toBeLessThan(mode === 'dotProduct' ? 3 : 10);
});

describe('the adapters of other frameworks', () => {
  const zeros = (shapes: Record<string, number[]>) =>
    Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) }]));
  const conv = (name: string, inputs: number, filters: number, bias = true) => ({
    [`${name}.weight`]: [filters, inputs, 1, 1],
    ...(bias && { [`${name}.bias`]: [filters] }),
  });
  const norm = (name: string, channels: number) =>
    Object.fromEntries(['weight', 'bias', 'running_mean', 'running_var'].map((key) => [`${name}.${key}`, [channels]]));

  test('take the defaults of the official constructors', () => {
    const alex = zeros({ ...conv('theta', 8, 4), ...conv('phi.0', 8, 4), ...conv('g.0', 8, 4), ...conv('W.0', 4, 8), ...norm('W.1', 8) });
    expect(fromTorch({ config: { in_channels: 8 }, state: alex }).options).toMatchObject({
      mode: 'embeddedGaussian',
      subsample: 'afterProjections',
      norm: 'batch',
      useScale: false,
    });
    const mmcv = zeros({ ...conv('theta.conv', 9, 4), ...conv('phi.conv', 9, 4), ...conv('g.conv', 9, 4), ...conv('conv_out.conv', 4, 9) });
    expect(fromMmcv({ config: { in_channels: 9 }, state: mmcv }).options).toMatchObject({
      mode: 'embeddedGaussian',
      subsample: 'none',
      norm: 'none',
      useScale: true,
    });
    const blob = (name: string, inputs: number, filters: number) => ({
      [`conv4_5_${name}_w`]: [filters, inputs, 1, 1, 1],
      [`conv4_5_${name}_b`]: [filters],
    });
    const bn = Object.fromEntries(['s', 'b', 'rm', 'riv'].map((key) => [`conv4_5_bn_${key}`, [8]]));
    const caffe = zeros({ ...blob('theta', 8, 4), ...blob('phi', 8, 4), ...blob('g', 8, 4), ...blob('out', 4, 8), ...bn });
    expect(fromCaffe2({ config: { dim_in: 8 }, state: caffe }).options).toMatchObject({
      mode: 'embeddedGaussian',
      subsample: 'beforeProjections',
      norm: 'batch',
      useScale: true,
      epsilon: 1.0000001e-5,
    });
  });

  test('take the forms that no golden here shows', () => {
    const concat = zeros({
      ...conv('theta.conv', 8, 2),
      ...conv('phi.0.conv', 8, 2),
      ...conv('g.0.conv', 8, 2),
      ...conv('concat_project.conv', 4, 1, false),
      ...conv('conv_out.conv', 2, 8, false),
      ...norm('conv_out.bn', 8),
    });
    const config = {
      in_channels: 8,
      reduction: 4,
      mode: 'concatenation',
      sub_sample: true,
      norm_cfg: { type: 'BN3d', eps: 0.001 },
      dimension: 3,
    } as const;
    expect(fromMmcv({ config, state: concat }).options).toMatchObject({
      mode: 'concatenation',
      useScale: false,
      epsilon: 0.001,
      useOutputBias: false,
    });
    const gaussian = zeros({ ...conv('g.conv', 8, 4), ...conv('conv_out.conv', 4, 8) });
    expect(fromMmcv({ config: { in_channels: 8, mode: 'gaussian', dimension: 1 }, state: gaussian }).options).toMatchObject({
      mode: 'gaussian',
      useScale: false,
    });
    const blob = (name: string, inputs: number, filters: number) => ({ [`nonlocal_${name}_w`]: [filters, inputs, 1, 1, 1] });
    const bare = zeros({ ...blob('theta', 8, 4), ...blob('phi', 8, 4), ...blob('g', 8, 4), ...blob('out', 4, 8) });
    const flags = { NO_BIAS: 1, USE_BN: false, USE_SOFTMAX: false, USE_MAXPOOL: false, USE_ZERO_INIT_CONV: true };
    expect(fromCaffe2({ config: { dim_in: 8, dim_inner: 4, ...flags }, state: bare }).options).toMatchObject({
      mode: 'dotProduct',
      useBias: false,
      norm: 'none',
      subsample: 'none',
      useScale: false,
    });
  });

  test('refuse what does not fit', () => {
    expect(() => fromTorch({ config: { in_channels: 8, mode: 'dot' as 'gaussian' }, state: {} })).toThrow(
      'NONLocalBlock: argument "mode" is "dot", but must be "embedded_gaussian", "gaussian", "dot_product" or "concatenation". Give it as the PyTorch constructor got it.',
    );
    expect(() => fromMmcv({ config: { in_channels: 8, norm_cfg: { type: 'GN' } }, state: {} })).toThrow(
      'norm_cfg: argument "type" is "GN", but only batch norms are understood',
    );
    expect(() => fromCaffe2({ config: { dim_in: 8, USE_AFFINE: true }, state: {} })).toThrow(
      'spacetime_nonlocal: USE_BN and USE_AFFINE are both true',
    );
    expect(() => fromTorch({ config: { in_channels: 8, dimension: 4 }, state: {} })).toThrow(
      'NonLocal: argument "dimension" is 4, but must be 1, 2 or 3.',
    );
    expect(() => fromTorch({ config: { in_channels: 8, bn_layer: false }, state: zeros(conv('g', 8, 4)) })).toThrow(
      '"theta.weight" [4, 8] is missing',
    );
  });
});
