import { gatherExcite, type GatherExcite, type GatherExciteOptions } from '@saccade/ge';
import { fromTorch, type GatherExciteArguments } from '@saccade/ge/torch';
import { casesOn, closeTo, onEachBackend, random, randomiseWeights, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

const refused = [
  [
    { variant: 'theta+' },
    'GatherExcite: option "variant" is "theta+", but must be "thetaMinus", "theta" or "thetaPlus". Leave it out for the default, "thetaMinus".',
  ],
  [{ extent: 3 }, 'GatherExcite: option "extent" is 3, but must be "global" or a power of 2 from 2 on. Leave it out for the default, "global".'],
  [{ extent: 1 }, /^GatherExcite: option "extent" is 1/],
  [{ extent: '4' }, /^GatherExcite: option "extent" is "4"/],
  [
    { variant: 'thetaPlus', extent: 2, reduction: 7 },
    'GatherExcite: reduction 7 leaves no channel of 6. Give a reduction of at most 6, or set the width another way.',
  ],
] as const;

describe('of a local extent', () => {
  testBlock({
    package: '@saccade/ge',
    create: gatherExcite,
    input: [2, 5, 7, 6],
    options: { variant: 'thetaPlus', extent: 4, reduction: 2, reluAfterGather: true },
    costs: [
      [{ extent: 8 }, [1, 56, 56, 256], 0, 0],
      [{ variant: 'theta', extent: 4 }, [3, 13, 11, 6], 2 * 11 * 6, 3 * 9 * 6 * (7 * 6 + 4 * 3)],
      [{ variant: 'thetaPlus', extent: 2, width: 3 }, [1, 5, 7, 12], 11 * 12 + 2 * 36 + 15, 3 * 4 * (9 * 12 + 2 * 36)],
    ],
    refused,
    refusedInputs: [
      [
        [null, 7, 6],
        'GatherExcite: the input has shape [null, 7, 6], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.',
      ],
    ],
  });
});

describe('of the whole map', () => {
  testBlock({
    package: '@saccade/ge',
    create: gatherExcite,
    input: [3, 5, 7, 6],
    fixedSize: true,
    options: { variant: 'thetaPlus', extent: 'global', width: 4, reluAfterGather: false, gate: 'hardSigmoid' },
    costs: [
      [{}, [1, 56, 56, 256], 0, 0],
      [{ variant: 'theta' }, [2, 5, 7, 6], 37 * 6, 2 * 35 * 6],
    ],
    refused,
    refusedInputs: [
      [
        [null, 7, null, 6],
        'GatherExcite: the input has shape [null, 7, null, 6], but its kernel is as large as the map: each size but N must be known. ' +
          'Give an inputShape without null.',
      ],
    ],
  });
});

testGoldens(path.join(folder, 'test/golden'), { ge: fromTorch });

onEachBackend((backend) => {
  test.each<[shape: number[], options: GatherExciteOptions]>(
    casesOn(backend, [
      [[1, 6, 9, 13], {}],
      [[3, 1, 1, 8], {}],
      [[2, 9, 4, 5], { extent: 2 }],
      [[1, 7, 13, 3], { extent: 4, gate: 'hardSigmoid' }],
      [[3, 5, 17, 2], { extent: 8 }],
      [[2, 5, 7, 9], { variant: 'theta' }],
      [[1, 9, 6, 5], { variant: 'theta', extent: 2 }],
      [[1, 11, 3, 7], { variant: 'theta', extent: 8 }],
      [[3, 4, 5, 16], { variant: 'thetaPlus', reduction: 2 }],
      [[2, 3, 7, 8], { variant: 'thetaPlus', reduction: 1, reluAfterGather: false }],
      [[2, 7, 10, 6], { variant: 'thetaPlus', extent: 2, width: 4 }],
      [[1, 8, 12, 16], { variant: 'thetaPlus', extent: 4, reduction: 2, reluAfterGather: true }],
      [[3, 9, 14, 5], { variant: 'thetaPlus', extent: 8, width: 2 }],
    ]),
  )('equals plain ops on %j with %j', async (shape, options) => {
    const layer = gatherExcite(options);
    layer.build(shape);
    randomiseWeights(layer);
    const x = random(shape, 9) as tf.Tensor4D;
    for (const training of [false, true]) {
      const gate = plainGate(layer, x, training);
      await closeTo(layer.apply(x, { training }) as tf.Tensor, tf.mul(x, enlarged(gate, shape)), 2e-5);
      if (training) continue;
      const { channel, gate: local } = layer.attentionMaps(x);
      await closeTo(channel ?? local, channel ? tf.reshape(gate, [shape[0], -1]) : gate, 2e-5);
    }
  });
});

test.each<[options: GatherExciteOptions, params: number, macs: number | null]>([
  [{}, 0, 0],
  [{ variant: 'theta' }, 31_106_600 - 25_557_032, 3_863_492_608 - 3_857_973_248],
  [{ variant: 'thetaPlus' }, 33_637_592 - 25_557_032, 3_866_007_552 - 3_857_973_248],
  [{ variant: 'theta', extent: 2 }, 25_723_176 - 25_557_032, null],
  [{ variant: 'theta', extent: 4 }, 25_889_320 - 25_557_032, null],
  [{ variant: 'theta', extent: 8 }, 26_055_464 - 25_557_032, null],
  [{ variant: 'thetaPlus', extent: 2 }, 28_254_168 - 25_557_032, null],
  [{ variant: 'thetaPlus', extent: 4 }, 28_420_312 - 25_557_032, null],
  [{ variant: 'thetaPlus', extent: 8 }, 28_586_456 - 25_557_032, null],
])('adds to a ResNet-50 what the official networks have: %j', (options, params, macs) => {
  const stages = [
    [3, 56, 256],
    [4, 28, 512],
    [6, 14, 1024],
    [3, 7, 2048],
  ];
  const total = (of: 'params' | 'macs') =>
    stages.reduce((sum, [blocks, side, channels]) => sum + blocks * gatherExcite(options).cost([1, side, side, channels])[of], 0);
  expect(total('params')).toBe(params);
  if (macs !== null) expect(total('macs')).toBe(macs);
});

test('starts as the official networks do', async () => {
  const deviations = async (options: GatherExciteOptions, name: string) => {
    const layer = gatherExcite({ variant: 'thetaPlus', ...options });
    layer.build([1, 8, 4, 512]);
    return (await tf.sqrt(tf.mean(tf.square(weightOf(layer, name)))).data())[0];
  };
  // At least 4608 values: the deviation is right to 1 % (one sigma).
  expect((await deviations({ extent: 2 }, 'gather/conv1/kernel')) / Math.sqrt(2 / 9)).toBeCloseTo(1, 1);
  expect((await deviations({}, 'gather/conv1/kernel')) / Math.sqrt(2 / 32)).toBeCloseTo(1, 1);
  for (const name of ['reduce', 'expand']) {
    expect((await deviations({}, `excite/${name}/kernel`)) / 0.01).toBeCloseTo(1, 1);
    expect(await deviations({}, `excite/${name}/bias`)).toBe(0);
  }
});

describe('from PyTorch', () => {
  const zeros = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
  const norm = (i: number) =>
    Object.fromEntries(['weight', 'bias', 'running_mean', 'running_var'].map((name) => [`gather.norm${i}.${name}`, zeros(40)]));
  const mlp = (width: number) => ({
    'mlp.fc1.weight': zeros(width, 40, 1, 1),
    'mlp.fc1.bias': zeros(width),
    'mlp.fc2.weight': zeros(40, width, 1, 1),
    'mlp.fc2.bias': zeros(40),
  });
  const local = { 'gather.conv1.weight': zeros(40, 1, 3, 3), ...norm(1) };
  const global = { 'gather.conv1.weight': zeros(40, 1, 7, 5), ...norm(1) };
  const load = (config: Partial<GatherExciteArguments>, state = {}) => fromTorch({ config: { channels: 40, ...config }, state }).options;

  test("understands timm's arguments, and rounds the width as timm does", () => {
    expect(load({ use_mlp: false })).toMatchObject({ variant: 'thetaMinus', extent: 'global' });
    expect(load({ extra_params: true, use_mlp: false, extent: 2 }, local)).toMatchObject({ variant: 'theta', extent: 2 });
    expect(load({ extra_params: true, extent: 2 }, { ...local, ...mlp(3) })).toMatchObject({ variant: 'thetaPlus', width: 3, reluAfterGather: null });
    expect(load({ variant: 'theta+', extent: 2, rd_ratio: 1 / 4, rd_divisor: 8 }, { ...local, ...mlp(8) }).width).toBe(8);
    expect(load({ variant: 'theta', extent: 0 }, global)).toMatchObject({ variant: 'theta', extent: 'global' });
    expect(load({ variant: 'theta', feat_size: [7, 5], gate: 'hard_sigmoid' }, global).gate).toBe('hardSigmoid');
  });

  test.each<[Partial<GatherExciteArguments>, object, string | RegExp]>([
    [
      {},
      {},
      "GatherExcite: extra_params false with use_mlp true, timm's defaults, is no variant of gather-excite. For extent 0 take @saccade/se, which it is.",
    ],
    [
      { extra_params: true, use_mlp: false },
      global,
      /its kernel slides over a padded map\. For weights of the official networks, give the variant\.$/,
    ],
    [{ variant: 'theta' }, {}, /"gather.conv1.weight" \[40, 1, null, null\] is missing/],
    [{ variant: 'theta', feat_size: 7 }, global, /"gather.conv1.weight" has shape \[40, 1, 7, 5\], but must be \[40, 1, 7, 7\]/],
    [{ variant: 'theta', extent: 4 }, local, /"gather.conv2.weight" \[40, 1, 3, 3\] is missing/],
    [{ variant: 'theta++' as never }, {}, /option "variant" is "theta\+\+"/],
    [{ variant: 'theta-', extent: 3 }, {}, /option "extent" is 3/],
    [{ variant: 'theta-', upsample: 'bilinear' as never }, {}, 'GatherExcite: upsample is "bilinear", but must be "nearest". Leave it out.'],
    [{ variant: 'theta-', extend: 4 } as never, {}, /^GatherExcite: unknown argument "extend" .* Did you mean "extent"\?/],
  ])('refuses %j, which does not fit', (config, state, message) => {
    expect(() => load(config, state)).toThrow(message);
  });
});

test('takes maps of the size that its kernel is made for, and no others', () => {
  const layer = gatherExcite({ variant: 'theta' });
  layer.apply(random([1, 5, 7, 4]));
  expect(() => layer.apply(random([1, 7, 5, 4]))).toThrow(
    `GatherExcite: the input has shape [1, 7, 5, 4], but its kernel is as large as the map, and the layer "${layer.name}" was built for 5×7. ` +
      'Resize the map, or use a layer of its own for each size.',
  );
});

testReadme(folder);

function weightOf(layer: GatherExcite, name: string): tf.Tensor {
  return layer.weights.find(({ originalName }) => originalName.endsWith(name))!.read();
}

/** The gate before it is resized, as the papers' figures and the PyTorch code read. */
function plainGate(layer: GatherExcite, x: tf.Tensor4D, training: boolean): tf.Tensor4D {
  const { variant, extent, reluAfterGather, gate } = layer.options;
  const weight = (name: string) => weightOf(layer, name);
  const norm = (y: tf.Tensor4D, name: string) => {
    const { mean, variance } = training
      ? tf.moments(y, [0, 1, 2])
      : { mean: weight(`${name}/movingMean`), variance: weight(`${name}/movingVariance`) };
    const normal = tf.div(tf.sub(y, mean), tf.sqrt(tf.add(variance, 1e-5)));
    return tf.add<tf.Tensor4D>(tf.mul(normal, weight(`${name}/gamma`)), weight(`${name}/beta`));
  };
  const pointwise = (y: tf.Tensor4D, name: string) => {
    const kernel = tf.reshape<tf.Rank.R4>(weight(`${name}/kernel`), [1, 1, ...(weight(`${name}/kernel`).shape as [number, number])]);
    return tf.add<tf.Tensor4D>(tf.conv2d(y, kernel, 1, 'valid'), weight(`${name}/bias`));
  };
  let y = x;
  if (variant === 'thetaMinus') {
    y = extent === 'global' ? tf.mean<tf.Tensor4D>(x, [1, 2], true) : meanOfRealPixels(x, extent);
  } else if (extent === 'global') {
    y = norm(tf.sum<tf.Tensor4D>(tf.mul(x, tf.reshape(weight('gather/conv1/kernel'), x.shape.slice(1))), [1, 2], true), 'gather/norm1');
  } else {
    for (let i = 1; 2 ** i <= extent; i++) {
      if (i > 1) y = tf.relu(y);
      y = norm(tf.depthwiseConv2d(y, weight(`gather/conv${i}/kernel`) as tf.Tensor4D, 2, 1), `gather/norm${i}`);
    }
  }
  if (variant === 'thetaPlus') {
    if (reluAfterGather ?? extent === 'global') y = tf.relu(y);
    y = pointwise(tf.relu(pointwise(y, 'excite/reduce')), 'excite/expand');
  }
  return gate === 'sigmoid' ? tf.sigmoid(y) : tf.div(tf.clipByValue(tf.add(y, 3), 0, 6), 6);
}

function meanOfRealPixels(x: tf.Tensor4D, extent: number): tf.Tensor4D {
  const side = 2 * extent - 1;
  const sums = (map: tf.Tensor4D) => tf.depthwiseConv2d(map, tf.ones([side, side, map.shape[3], 1]), extent, extent - 1);
  return tf.div(sums(x), sums(tf.onesLike(x)));
}

function enlarged(gate: tf.Tensor4D, shape: number[]): tf.Tensor {
  const sources = (axis: number) => Array.from({ length: shape[axis] }, (_, i) => Math.floor((i * gate.shape[axis]) / shape[axis]));
  return tf.gather(tf.gather(gate, sources(1), 1), sources(2), 2);
}
