import { useBackend } from '@saccade/backends';
import { readSafetensors, type StateDict } from '@saccade/core/torch';
import {
  ResidualAttentionModule,
  residualAttentionModule,
  ResidualUnit,
  residualUnit,
  type ResidualAttentionModuleOptions,
} from '@saccade/residual-attention';
import { fromTorch } from '@saccade/residual-attention/torch';
import { casesOn, closeTo, equalsPlain, onEachBackend, random, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

describe('ResidualAttentionModule', () => {
  testBlock({
    package: '@saccade/residual-attention',
    create: residualAttentionModule,
    input: [3, 3, 2, 3],
    options: { depth: 2, attention: 'spatial', learning: 'naive', pooling: 'pytorch', extraSkips: true, reduction: 2 },
    costs: [
      [{}, [1, 56, 56, 256], 976_896, 1_496_047_616],
      [{ depth: 2 }, [1, 28, 28, 512], 3_046_912, 1_475_575_808],
      [{ depth: 1 }, [1, 14, 14, 1024], 8_804_352, 1_393_688_576],
      // Units on 5×7 pixels and, pooled with padding, on 3×4 and 2×2.
      [{ depth: 2, width: 3, pooling: 'pytorch' }, [1, 5, 7, 4], 9 * 125 + 2 * (4 * 4 + 2 * 4), 105 * (4 * 35 + 3 * 12 + 2 * 4) + 2 * 16 * 35],
      // Without: on 2×3 and 1×1.
      [{ depth: 2, width: 3 }, [3, 5, 7, 4], 9 * 125 + 2 * (4 * 4 + 2 * 4), 3 * (105 * (4 * 35 + 3 * 6 + 2 * 1) + 2 * 16 * 35)],
    ],
    refused: [
      [{ depth: 0 }, 'ResidualAttentionModule: option "depth" is 0, but must be a whole number ≥ 1. Leave it out for the default, 3.'],
      [
        { attention: 'f2' },
        'ResidualAttentionModule: option "attention" is "f2", but must be "mixed", "channel" or "spatial". Leave it out for the default, "mixed".',
      ],
      [
        { learning: 'none' },
        'ResidualAttentionModule: option "learning" is "none", but must be "residual" or "naive". Leave it out for the default, "residual".',
      ],
      [
        { pooling: 'torch' },
        'ResidualAttentionModule: option "pooling" is "torch", but must be "caffe" or "pytorch". Leave it out for the default, "caffe".',
      ],
      [{ depth: 1, reduction: 4 }, 'ResidualUnit: reduction 4 leaves no channel of 3. Give a reduction of at most 3, or set the width another way.'],
    ],
    refusedInputs: [
      [
        [null, 7, 6],
        'ResidualAttentionModule: the input has shape [null, 7, 6], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.',
      ],
    ],
  });

  testGoldens(path.join(folder, 'test/golden'), { resattn: fromTorch });

  test('refuses a map that Caffe pooling would leave nothing of', () => {
    const layer = residualAttentionModule({ reduction: 2 });
    expect(() => layer.apply(random([1, 9, 7, 4]))).toThrow(
      'ResidualAttentionModule: the input has shape [1, 9, 7, 4], but each position axis must have at least 8. Give a larger map, or leave the block out at this depth.',
    );
    expect((residualAttentionModule({ reduction: 2 }).apply(random([1, 8, 8, 4])) as tf.Tensor).shape).toEqual([1, 8, 8, 4]);
    expect((residualAttentionModule({ reduction: 2, pooling: 'pytorch' }).apply(random([1, 1, 1, 4])) as tf.Tensor).shape).toEqual([1, 1, 1, 4]);
  });

  onEachBackend((backend) => {
    test.each<[shape: number[], options: ResidualAttentionModuleOptions]>(
      casesOn(backend, [
        [[1, 9, 14, 8], { depth: 3, attention: 'spatial' }],
        [[2, 5, 7, 8], { depth: 2, pooling: 'pytorch', extraSkips: true, learning: 'naive' }],
        [[3, 2, 3, 8], { depth: 1, extraSkips: true, attention: 'channel', reduction: 2 }],
      ]),
    )('equals plain ops on %j with %j', async (shape, options) => {
      const layer = residualAttentionModule(options);
      await equalsPlain(layer, shape, plain);
      if (backend === 'webgpu') return; // where gradients take long to compile, and those of the goldens suffice
      const [x, probe] = [random(shape, 9), random(shape, 5)];
      const gradient = (f: (x: tf.Tensor4D) => tf.Tensor) => tf.grad((x: tf.Tensor) => tf.sum(tf.mul(f(x as tf.Tensor4D), probe)))(x);
      await useBackend('cpu');
      const expected = gradient((x) => plain(layer, x).y);
      await useBackend(backend);
      await closeTo(
        gradient((x) => layer.apply(x) as tf.Tensor),
        expected,
        1e-3,
      );
    });

    test.each([
      ['channel', 0],
      ['spatial', 0.5],
    ] as const)('the %s mask of logits that are all 0 is %f, and trains', async (attention, value) => {
      const layer = residualAttentionModule({ depth: 1, attention, reduction: 2 });
      const x = random([2, 3, 5, 4]);
      layer.build(x.shape);
      const kernel = weightOf(layer, 'conv2/kernel');
      kernel.write(tf.zeros(kernel.shape as number[]));
      expect(new Set(await layer.attentionMaps(x)['mask'].data())).toEqual(new Set([value]));
      const slope = tf.grad((x) => tf.sum(layer.apply(x) as tf.Tensor))(x);
      expect((await slope.data()).every(Number.isFinite)).toBe(true);
    });
  });

  test('the networks of the paper add up to the parameters and multiply-adds of the official ones', () => {
    const network = (modules: [number, number, number]) => {
      const layers = [
        residualUnit({ filters: 256 }).cost([1, 56, 56, 64]),
        ...repeat(modules[0], residualAttentionModule({ depth: 3 }).cost([1, 56, 56, 256])),
        residualUnit({ filters: 512, stride: 2 }).cost([1, 56, 56, 256]),
        ...repeat(modules[1], residualAttentionModule({ depth: 2 }).cost([1, 28, 28, 512])),
        residualUnit({ filters: 1024, stride: 2 }).cost([1, 28, 28, 512]),
        ...repeat(modules[2], residualAttentionModule({ depth: 1 }).cost([1, 14, 14, 1024])),
        residualUnit({ filters: 2048, stride: 2 }).cost([1, 14, 14, 1024]),
        ...repeat(2, residualUnit().cost([1, 7, 7, 2048])),
        { params: 49 * 3 * 64 + 2 * 64, macs: 49 * 3 * 64 * 112 * 112 }, // the stem: a 7×7 convolution and a batch norm
        { params: 2 * 2048 + 2048 * 1000 + 1000, macs: 2048 * 1000 }, // the last batch norm and the classifier
      ];
      return layers.reduce((sum, { params, macs }) => ({ params: sum.params + params, macs: sum.macs + macs }));
    };
    expect(network([1, 1, 1])).toEqual({ params: 31_810_728, macs: 6_270_836_736 }); // Attention-56
    expect(network([1, 2, 3])).toEqual({ params: 52_466_344, macs: 10_533_789_696 }); // Attention-92
  });
});

describe('ResidualUnit', () => {
  testBlock({
    package: '@saccade/residual-attention',
    create: residualUnit,
    input: [2, 3, 5, 4],
    options: { filters: 6, stride: 2, reduction: 3 },
    costs: [
      [{ filters: 256 }, [1, 56, 56, 64], 74_112, 231_211_008],
      [{ filters: 512, stride: 2 }, [1, 56, 56, 256], 377_856, 372_506_624],
      [{}, [1, 7, 7, 2048], 2 * 2048 + 4 * 512 + 17 * 512 * 512, 49 * 17 * 512 * 512],
    ],
    refused: [
      [{ stride: 0 }, 'ResidualUnit: option "stride" is 0, but must be a whole number ≥ 1. Leave it out for the default, 1.'],
      [{ filters: 1.5 }, 'ResidualUnit: option "filters" is 1.5, but must be a whole number ≥ 1, or null. Leave it out for the default, null.'],
      [{ filters: 2 }, 'ResidualUnit: reduction 4 leaves no channel of 2. Give a reduction of at most 2, or set the width another way.'],
    ],
    refusedInputs: [
      [
        [null, 7, 6],
        'ResidualUnit: the input has shape [null, 7, 6], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.',
      ],
    ],
  });

  test('attends to nothing', () => {
    expect(residualUnit().attentionMaps(random([1, 2, 2, 4]))).toEqual({});
  });
});

describe('from PyTorch', () => {
  const golden = (name: string): { input: tf.Tensor; state: StateDict } => {
    const { tensors } = readSafetensors(readFileSync(path.join(folder, `test/golden/resattn-${name}.safetensors`)));
    const state = Object.entries(tensors).flatMap(([key, value]) => (key.startsWith('state.') ? [[key.slice('state.'.length), value]] : []));
    return { input: random([1, 9, 8, tensors['input'].shape[1]]), state: Object.fromEntries(state) as StateDict };
  };

  test('a class and the arguments that say the same are the same layer', async () => {
    const { input, state } = golden('caffe-stage1');
    const caffe = { maxpool: { kernel: 3, stride: 2, padding: 0, ceil_mode: true } } as const;
    const equal = [
      [
        { module: 'AttentionModule_pre', channels: 12 },
        { module: 'AttentionModule_stage1', channels: 12, extra_skip_add: false },
      ],
      [
        { module: 'AttentionModule_stage1', in_channels: 12, out_channels: 12 },
        { module: 'AttentionModule_pre', channels: 12, extra_skip_add: true, bottleneck: 3, maxpool: { padding: 1 } },
      ],
      [
        { module: 'AttentionModule_pre', channels: 12, ...caffe },
        { module: 'AttentionModule_stage1', channels: 12, ...caffe, extra_skip_add: false },
      ],
    ] as const;
    const outputs = equal.map((pair) => pair.map((config) => fromTorch({ config, state }).apply(input) as tf.Tensor));
    for (const [a, b] of outputs) await closeTo(a, b, 0);
    const [[pre], [stage1], [pooled]] = await Promise.all(outputs.map((pair) => Promise.all(pair.map((y) => y.data()))));
    expect(pre).not.toEqual(stage1);
    expect(pre).not.toEqual(pooled);
  });

  test('the residual blocks inside are units, whose unused projections may be there or not', async () => {
    const { input, state } = golden('stage3');
    const prefix = 'trunk_branches.0.';
    const block = Object.fromEntries(
      Object.entries(state).flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])),
    ) as StateDict;
    const { 'conv4.weight': unused, ...rest } = block;
    expect(unused.shape).toEqual([16, 16, 1, 1]);
    const config = { module: 'ResidualBlock', in_channels: 16, out_channels: 16, projection: false } as const;
    const [withAll, without] = [block, rest].map((state) => fromTorch({ config, state }));
    expect(withAll).toBeInstanceOf(ResidualUnit);
    expect(withAll.cost([1, 4, 4, 16]).params).toBe(320);
    await closeTo(withAll.apply(input) as tf.Tensor, without.apply(input) as tf.Tensor, 0);
    expect(() => fromTorch({ config: { ...config, stride: 2, projection: true }, state: rest })).toThrow('"conv4.weight" [16, 16, 1, 1] is missing');
    expect(fromTorch({ config: { module: 'AttentionModule_stage3', channels: 16 }, state })).toBeInstanceOf(ResidualAttentionModule);
  });

  test.each([
    [
      { module: 'AttentionModule_stage4' },
      'ResidualAttention: module is "AttentionModule_stage4", but must be one of AttentionModule_pre, AttentionModule_stage0, AttentionModule_stage1, AttentionModule_stage2, AttentionModule_stage3 or ResidualBlock. Give the name of the PyTorch class.',
    ],
    [{ chanels: 16 }, /^AttentionModule_stage3: unknown argument "chanels" \(received 16\)\. Did you mean "channels"\?/],
    [{ channels: undefined }, 'AttentionModule_stage3: missing argument "channels". Give it as the PyTorch constructor got it.'],
    [{ out_channels: 20 }, 'AttentionModule_stage3: received different numbers of channels, 16 and 20. The module keeps their number: give one.'],
    [{ bottleneck: 5 }, /"first_residual_blocks.conv1.weight" has shape \[4, 16, 1, 1\], but must be \[5, 16\]/],
    [{ module: 'AttentionModule_stage2' }, /"softmax1_blocks.bn1.weight" \[16\] is missing.*"softmax1_blocks.0.bn1.weight" \[16\] is left over/],
    [
      { maxpool: { kernel: 3, stride: 2, padding: 1, ceil_mode: true } },
      'AttentionModule_stage3: maxpool is {"kernel":3,"stride":2,"padding":1,"ceil_mode":true}, but must have kernel 3 and stride 2, and padding 1 without ceil_mode or padding 0 with it. Leave it out for the former.',
    ],
    [{ upsample: 'nearest' }, 'AttentionModule_stage3: upsample is "nearest", but must be "bilinear align_corners=True". Leave it out.'],
    [{ size1: [9, 8], size2: [4, 4] }, 'AttentionModule_stage3: size2 is [4,4], but size1 [9,8] makes [5,4]. Leave it out, or correct size1.'],
    [
      { module: 'ResidualBlock', channels: undefined, in_channels: 16, out_channels: 16, stride: 2, projection: false },
      /^ResidualBlock: unknown argument "channels"/,
    ],
  ])('refuses %j', (wrong, message) => {
    const config = { module: 'AttentionModule_stage3', channels: 16, ...(wrong as object) } as const;
    expect(() => fromTorch({ config, state: golden('stage3').state })).toThrow(message);
  });

  test('refuses a projection that its other arguments do not make', () => {
    const config = { module: 'ResidualBlock', in_channels: 12, out_channels: 20, stride: 2, projection: false } as const;
    expect(() => fromTorch({ config, state: golden('resblock-proj-s2').state })).toThrow(
      'ResidualBlock: projection is false, but in_channels 12, out_channels 20 and stride 2 make true. Leave it out, or correct stride.',
    );
  });
});

testReadme(folder);

function repeat<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value);
}

function weightOf(layer: ResidualAttentionModule, name: string) {
  return layer.weights.find(({ originalName }) => originalName.slice(originalName.indexOf('/') + 1) === name)!;
}

/** The module at inference, level by level as its PyTorch code reads. */
function plain(layer: ResidualAttentionModule, x: tf.Tensor4D): { y: tf.Tensor; mask: tf.Tensor } {
  const { depth, attention, learning, pooling, extraSkips } = layer.options;
  const weight = (name: string) => weightOf(layer, name).read();
  const conv = (x: tf.Tensor4D, name: string): tf.Tensor4D => {
    const kernel = weight(`${name}/kernel`);
    const [inputs, filters] = kernel.shape.slice(-2);
    const side = kernel.rank === 4 ? 3 : 1;
    return tf.conv2d(x, tf.reshape<tf.Rank.R4>(kernel, [side, side, inputs, filters]), 1, 'same');
  };
  const normRelu = (x: tf.Tensor4D, name: string): tf.Tensor4D => {
    const normal = tf.div(tf.sub(x, weight(`${name}/movingMean`)), tf.sqrt(tf.add(weight(`${name}/movingVariance`), 1e-5)));
    return tf.relu(tf.add(tf.mul(normal, weight(`${name}/gamma`)), weight(`${name}/beta`)));
  };
  const unit = (x: tf.Tensor4D, name: string): tf.Tensor4D => {
    const bottleneck = ['reduce', 'conv', 'expand'].reduce((h, part, i) => conv(normRelu(h, `${name}/norm${i + 1}`), `${name}/${part}`), x);
    return tf.add(bottleneck, x);
  };
  const pool = (x: tf.Tensor4D): tf.Tensor4D => {
    // Far below all values. The pixel after the last counts where a window starts right before it.
    const pads: [number, number] = [pooling === 'pytorch' ? 1 : 0, 1];
    return tf.maxPool<tf.Tensor4D>(tf.pad(x, [[0, 0], pads, pads, [0, 0]], -1e6), 3, 2, 'valid');
  };
  const shared = unit(x, 'first');
  const trunk = unit(unit(shared, 'trunk0'), 'trunk1');
  const levels = Array.from({ length: depth }, (_, i) => `hourglass/${'inner/'.repeat(i)}`);
  const entered: tf.Tensor4D[] = [shared];
  for (const level of levels) entered.push(unit(pool(entered.at(-1)!), `${level}down`));
  let h = entered.pop()!;
  for (const level of levels.toReversed()) {
    const above = entered.pop()!;
    h = interpolated(unit(h, `${level}up`), above.shape);
    if (extraSkips) h = tf.add(h, entered.length > 0 ? above : trunk);
    if (entered.length > 0) h = tf.add(h, unit(above, `${levels[entered.length - 1]}skip`));
  }
  const logits = conv(normRelu(conv(normRelu(h, 'norm1'), 'conv1'), 'norm2'), 'conv2');
  const { mean, variance } = tf.moments(logits, [1, 2], true);
  const mask = {
    mixed: () => tf.sigmoid(logits),
    channel: () => tf.div(logits, tf.norm(logits, 2, 3, true)),
    spatial: () => tf.sigmoid(tf.div(tf.sub(logits, mean), tf.sqrt(variance))),
  }[attention]();
  const attended = tf.mul<tf.Tensor4D>(learning === 'residual' ? tf.add(1, mask) : mask, trunk);
  return { y: unit(attended, 'last'), mask };
}

/** Bilinear interpolation, corners on corners, as two products. */
function interpolated(x: tf.Tensor4D, [, height, width]: readonly number[]): tf.Tensor4D {
  const along = (x: tf.Tensor4D, axis: 1 | 2, size: number): tf.Tensor4D => {
    const from = x.shape[axis];
    const place = (i: number) => (size === 1 ? 0 : (i * (from - 1)) / (size - 1));
    const shares = Array.from({ length: from }, (_, j) => Array.from({ length: size }, (_, i) => Math.max(0, 1 - Math.abs(place(i) - j))));
    const last = axis === 1 ? [0, 3, 2, 1] : [0, 1, 3, 2];
    const columns = tf.transpose(x, last); // the axis last, [N, …, from]
    const mixed = tf.matMul(tf.reshape<tf.Rank.R2>(columns, [-1, from]), tf.tensor2d(shares, [from, size]));
    return tf.transpose(tf.reshape<tf.Rank.R4>(mixed, [columns.shape[0], columns.shape[1], columns.shape[2], size]), last);
  };
  return along(along(x, 1, height), 2, width);
}
