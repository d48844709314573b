import { useBackend } from '@saccade/backends';
import { selfAttention2D, type SelfAttention2D } from '@saccade/sagan';
import { fromSpectralNorm, fromTensorFlow, fromTorch } from '@saccade/sagan/torch';
import { closeTo, equalsPlain, onEachBackend, peakMemory, type PlainResult, random, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

describe('form tensorflow', () => {
  testBlock({
    package: '@saccade/sagan',
    create: selfAttention2D,
    input: [2, 4, 6, 9],
    options: { reduction: 3, valueChannels: 5, iterations: 2 },
    costs: [
      [{}, [1, 32, 32, 256], 81_921, 125_829_120],
      [{}, [2, 32, 32, 128], 20_481, 2 * 41_943_040],
      [{ keyChannels: 16, valueChannels: 128 }, [1, 32, 32, 128], 36_865, 75_497_472],
    ],
    refused: [
      [
        { form: 'paper' },
        'SelfAttention2D: option "form" is "paper", but must be "tensorflow" or "pytorch". Leave it out for the default, "tensorflow".',
      ],
      [{ inference: 'hold' }, /option "inference" is "hold", but must be "iterate" or "update"/],
      [{ reduction: 16 }, 'SelfAttention2D: reduction 16 leaves no channel of 9. Give a reduction of at most 9, or set the width another way.'],
    ],
    refusedInputs: [
      [
        [null, 4, 7, 16],
        'SelfAttention2D: the input has shape [null, 4, 7, 16], but form "tensorflow" pools keys and values by 2, and needs an even height and width. ' +
          'Resize the map, or use form "pytorch".',
      ],
    ],
  });
});

describe('form pytorch', () => {
  testBlock({
    package: '@saccade/sagan',
    create: selfAttention2D,
    input: [2, 5, 3, 8],
    options: { form: 'pytorch', keyChannels: 3 },
    inert: ['key/bias'],
    costs: [
      [{ form: 'pytorch' }, [1, 16, 16, 128], 20_641, 14_680_064],
      [{ form: 'pytorch' }, [1, 32, 32, 64], 5201, 80_740_352],
      [{ form: 'pytorch' }, [1, 8, 8, 256], 82_241, 6_422_528],
      [{ form: 'pytorch' }, [1, 4, 4, 512], 328_321, 5_390_336],
    ],
    refused: [
      [
        { form: 'pytorch', iterations: 2 },
        'SelfAttention2D: option "iterations" is 2 with form "pytorch", but only "tensorflow" has that choice. Leave it out, or change the form.',
      ],
    ],
    refusedInputs: [],
  });
});

testGoldens(path.join(folder, 'test/golden'), { sagan: fromTorch, 'sagan-tf': fromTensorFlow, 'sagan-spectralnorm': fromSpectralNorm });

testReadme(folder);

const weightOf = (layer: SelfAttention2D, name: string) => layer.weights.find(({ originalName }) => originalName.endsWith(`/${name}`))!;

/** The authors' `spectral_normed_weight`. */
function normalised(w: tf.Tensor2D, u: tf.Tensor2D, iterations: number): { w: tf.Tensor2D; u: tf.Tensor2D } {
  const unit = (x: tf.Tensor2D): tf.Tensor2D => tf.div(x, tf.norm(x));
  let [row, v] = [tf.transpose(u), tf.zeros([1, 1]) as tf.Tensor2D];
  for (let i = 0; i < iterations; i++) {
    v = unit(tf.matMul(row, w, false, true));
    row = unit(tf.matMul(v, w));
  }
  return { w: tf.div(w, tf.matMul(tf.matMul(v, w), row, false, true)), u: tf.transpose(row) };
}

/** Either form as its code reads. */
function plain(layer: SelfAttention2D, x: tf.Tensor4D): PlainResult {
  const official = layer.options.form === 'tensorflow';
  const conv = (name: string, x: tf.Tensor4D): tf.Tensor4D => {
    const read = (weight: string) => weightOf(layer, `${name}/${weight}`).read();
    const kernel = read('kernel') as tf.Tensor2D;
    const { w } = official ? normalised(kernel, read('u') as tf.Tensor2D, layer.options.iterations) : { w: kernel };
    const y: tf.Tensor4D = tf.conv2d(x, tf.reshape(w, [1, 1, ...kernel.shape]), 1, 'same');
    return official ? y : tf.add(y, read('bias'));
  };
  const pool = (x: tf.Tensor4D) => (official ? tf.maxPool(x, 2, 2, 'valid') : x);
  const rows = (x: tf.Tensor4D): tf.Tensor3D => tf.reshape(x, [x.shape[0], -1, x.shape[3]]);
  const attention = tf.softmax(tf.matMul(rows(conv('query', x)), rows(pool(conv('key', x))), false, true));
  const values = tf.matMul(attention, rows(pool(conv('value', x))));
  const context: tf.Tensor4D = tf.reshape(values, [x.shape[0], x.shape[1], x.shape[2], -1]);
  const y = tf.add(tf.mul(official ? conv('out', context) : context, weightOf(layer, 'gamma').read()), x);
  const positions = x.shape[1] * x.shape[2];
  return { y, query: tf.gather(attention, [Math.floor(positions / 2)], 1) };
}

onEachBackend(() => {
  test.each([
    [{ iterations: 3 }, [1, 2, 6, 19]],
    [{ reduction: 4, valueChannels: 7, inference: 'update' }, [3, 4, 2, 5]],
    [{ form: 'pytorch' }, [3, 3, 5, 17]],
  ] as const)('equals its definition: %j on %j', async (options, shape) => {
    await equalsPlain(selfAttention2D(options), shape, plain);
  });
});

test.each(['tensorflow', 'pytorch'] as const)('starts as the identity: %s', async (form) => {
  const x = random([2, 4, 4, 8]);
  await closeTo(selfAttention2D({ form }).apply(x) as tf.Tensor, x, 0);
});

test('training stores where the power iteration came to, and inference if told', async () => {
  const x = random([1, 2, 2, 8]);
  for (const [inference, training, trainable, stores] of [
    ['iterate', true, true, true],
    ['iterate', true, false, false],
    ['iterate', false, true, false],
    ['update', false, true, true],
    ['update', false, false, true],
  ] as const) {
    const layer = selfAttention2D({ inference, trainable });
    layer.build(x.shape);
    for (const name of ['query', 'key', 'value', 'out']) {
      const [kernel, u] = [weightOf(layer, `${name}/kernel`), weightOf(layer, `${name}/u`)];
      const before = tf.clone(u.read()) as tf.Tensor2D;
      const after = normalised(kernel.read() as tf.Tensor2D, before, 1).u;
      layer.attentionMaps(x);
      await closeTo(u.read(), before, 0);
      layer.apply(x, { training });
      await closeTo(u.read(), stores ? after : before, 1e-6);
      u.write(before);
    }
  }
});

// 6400 queries, and 1600 or 6400 keys: all pairs would take 39 or 156 MB, and twice that in training.
test.each(['tensorflow', 'pytorch'] as const)('never holds the attention of all pairs: %s', async (form) => {
  await useBackend('wasm');
  const { forward, training } = await peakMemory(selfAttention2D({ form }), random([1, 80, 80, 8]));
  await useBackend('cpu');
  expect(forward).toBeLessThan(5);
  expect(training).toBeLessThan(15);
});

describe('the adapters', () => {
  const zeros = (shapes: Record<string, number[]>) =>
    Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) }]));
  const conv = (name: string, inputs: number, outputs: number) => ({ [`${name}/w`]: [1, 1, inputs, outputs], [`${name}/u`]: [1, outputs] });
  const variables = zeros({
    ...conv('G/sn_conv_theta', 19, 2),
    ...conv('G/sn_conv_phi', 19, 2),
    ...conv('G/sn_conv_g', 19, 9),
    ...conv('G/sn_conv_attn', 9, 19),
    'G/sigma_ratio': [],
  });

  test('take the forms that no golden here shows', () => {
    expect(fromTensorFlow({ config: { num_channels: 19 }, state: variables }).options).toMatchObject({ iterations: 1, inference: 'update' });
    const config = { num_channels: 19, num_iters: 3, update_collection: 'NO_OPS', key_channels: 2, value_channels: 9 } as const;
    expect(fromTensorFlow({ config, state: variables }).options).toMatchObject({ iterations: 3, inference: 'iterate' });
    const bare = zeros({ 'l1.weight_orig': [3, 4, 1, 1], 'l1.weight_u': [3], 'l1.weight_v': [4] });
    const wrapper = fromSpectralNorm({ config: { in_channels: 4, out_channels: 3, kernel: 1, power_iterations: 2 }, state: bare });
    expect(wrapper.options).toEqual({ convention: 'pytorch', iterations: 2, inference: 'hold' });
    expect(wrapper.countParams()).toBe(12 + 3 + 4);
  });

  test('refuse what does not fit', () => {
    expect(() => fromTensorFlow({ config: { num_channels: 16, value_channels: 4 }, state: {} })).toThrow(
      'sn_non_local_block_sim: value_channels is 4, but num_channels 16 makes 8. Leave it out, or correct num_channels.',
    );
    expect(() => fromTensorFlow({ config: { num_channels: 16, update_collection: 'UPDATES' as 'NO_OPS' }, state: {} })).toThrow(
      'sn_non_local_block_sim: argument "update_collection" is "UPDATES", but must be "None" or "NO_OPS".',
    );
    const { 'G/sn_conv_g/u': _, ...incomplete } = variables;
    expect(() => fromTensorFlow({ config: { num_channels: 19 }, state: incomplete })).toThrow('"G/sn_conv_g/u" [9, 1] is missing.');
    expect(() => fromTorch({ config: { in_dim: 16, key_channels: 4 }, state: {} })).toThrow('Self_Attn: key_channels is 4, but in_dim 16 makes 2.');
    expect(() => fromSpectralNorm({ config: { in_channels: 1, out_channels: 1, kernel: 4 }, state: {} })).toThrow(
      'SpectralNorm: argument "kernel" is 4, but must be odd',
    );
    const short = zeros({ 'c.weight_bar': [7, 5, 3, 3], 'c.weight_u': [7], 'c.weight_v': [44] });
    expect(() => fromSpectralNorm({ config: { in_channels: 5, out_channels: 7, kernel: 3 }, state: short })).toThrow(
      'SpectralNorm: the state dict does not fit: "c.weight_v" has shape [44], but must be [1, 5, 3, 3].',
    );
  });
});
