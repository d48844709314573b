import { crissCrossAttention, recurrentCrissCrossHead } from '@saccade/ccnet';
import { fromTorch } from '@saccade/ccnet/torch';
import { closeTo, random, randomiseWeights, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

describe('CrissCrossAttention', () => {
  testBlock({
    package: '@saccade/ccnet',
    create: crissCrossAttention,
    input: [2, 5, 7, 6],
    options: { recurrence: 3, keyChannels: 2, reduction: 5 },
    inert: ['key/bias'],
    costs: [
      [{ recurrence: 1 }, [1, 97, 97, 512], 328_321, 4_134_540_416],
      [{}, [1, 97, 97, 512], 328_321, 8_269_080_832],
      [{ recurrence: 3 }, [1, 97, 97, 512], 328_321, 12_403_621_248],
      [{ recurrence: 1, reduction: 4 }, [2, 3, 4, 16], 409, 2 * 12 * (16 * 24 + 7 * 20)],
    ],
    refused: [
      [{ recurrence: 0 }, 'CrissCrossAttention: option "recurrence" is 0, but must be a whole number ≥ 1. Leave it out for the default, 2.'],
      [{ reduction: 24 }, 'CrissCrossAttention: reduction 24 leaves no channel of 6. Give a reduction of at most 6, or set the width another way.'],
      [
        { keyChannels: 0.5 },
        'CrissCrossAttention: option "keyChannels" is 0.5, but must be a whole number ≥ 1, or null. Leave it out for the default, null.',
      ],
      [
        { recurence: 1 },
        'CrissCrossAttention: unknown option "recurence" (received 1). Did you mean "recurrence"? The options are recurrence, reduction, keyChannels.',
      ],
    ],
    refusedInputs: [[[null, 7, 6], /CrissCrossAttention: the input has shape .*, of rank 3, but must be \[N, height, width, channels\]/]],
  });

  test('starts as the identity', async () => {
    const x = random([2, 4, 5, 16]);
    await closeTo(crissCrossAttention().apply(x) as tf.Tensor, x, 0);
  });

  test('gives one map a loop, of the chosen queries alone', async () => {
    const layer = crissCrossAttention({ recurrence: 3 });
    const x = random([2, 4, 5, 16]);
    layer.build(x.shape);
    randomiseWeights(layer);
    const all = layer.attentionMaps(x, { queries: Array.from({ length: 20 }, (_, i) => i) });
    const some = layer.attentionMaps(x, { queries: [7, 3] });
    expect(Object.keys(some)).toEqual(['query', 'query1', 'query2']);
    for (const [name, map] of Object.entries(some)) {
      await closeTo(map, tf.gather(all[name], [7, 3], 1), 1e-6);
      await closeTo(tf.sum(map, 2), tf.ones([2, 2]), 1e-6);
      // Query 7 lies in row 1, query 3 in row 0.
      const images = map.arraySync() as number[][][];
      expect(images.map(([first, second]) => [first[1], second[0]])).toEqual([
        [0, 0],
        [0, 0],
      ]);
    }
  });

  test('sees a column and a row in one loop, and every position in two', () => {
    const reach = (recurrence: number) => {
      const layer = crissCrossAttention({ recurrence });
      layer.build([1, 4, 5, 16]);
      layer.trainableWeights.find((weight) => weight.originalName.endsWith('gamma'))!.write(tf.ones([1]));
      const corner = (x: tf.Tensor) => tf.sum(tf.slice(layer.apply(x) as tf.Tensor, [0, 0, 0, 0], [1, 1, 1, -1]));
      return tf.sum(tf.sign(tf.sum(tf.abs(tf.grad(corner)(random([1, 4, 5, 16]))), 3))).dataSync()[0];
    };
    expect([reach(1), reach(2)]).toEqual([8, 20]);
  });
});

describe('RecurrentCrissCrossHead', () => {
  testBlock({
    package: '@saccade/ccnet',
    create: recurrentCrissCrossHead,
    // Small, so that no leaky ReLU has its kink within the step of the finite differences.
    input: [2, 3, 4, 6],
    options: { classes: 3, width: 6, outChannels: 4, recurrence: 1, reduction: 4, keyChannels: 3, dropout: 0.25 },
    inert: ['attention/key/bias'],
    costs: [
      [{}, [1, 97, 97, 2048], 23_934_100, 230_346_772_224],
      [{ classes: 5, outChannels: 12 }, [1, 5, 6, 32], 7412, 30 * (9 * 32 * 8 + 9 * 8 * 8 + 9 * 40 * 12 + 12 * 5 + 2 * (8 * 10 + 11 * 9))],
    ],
    refused: [
      [{ dropout: 1 }, 'RecurrentCrissCrossHead: option "dropout" is 1, but must be a number ≥ 0 and < 1. Leave it out for the default, 0.1.'],
      [{ classes: 0 }, 'RecurrentCrissCrossHead: option "classes" is 0, but must be a whole number ≥ 1. Leave it out for the default, 19.'],
      [{ width: 2 }, 'CrissCrossAttention: reduction 8 leaves no channel of 2. Give a reduction of at most 2, or set the width another way.'],
    ],
    refusedInputs: [[[null, 4, 6], /RecurrentCrissCrossHead: the input has shape .*, of rank 3, but must be \[N, height, width, channels\]/]],
  });

  test('drops whole channels of its last features, in training only', () => {
    const layer = recurrentCrissCrossHead({ classes: 64, outChannels: 64, dropout: 0.5 });
    const x = random([2, 3, 5, 32]);
    const still = layer.apply(x) as tf.Tensor;
    expect((layer.apply(x) as tf.Tensor).dataSync()).toEqual(still.dataSync());
    // Logits that are the features themselves.
    const classify = layer.weights.filter((weight) => weight.originalName.includes('classify'));
    classify[0].write(tf.eye(64));
    classify[1].write(tf.zeros([64]));
    const kept = tf.sign(tf.abs(layer.apply(x, { training: true }) as tf.Tensor));
    const perChannel = tf.mean(kept, [1, 2]);
    expect(new Set(perChannel.dataSync())).toEqual(new Set([0, 1]));
    expect(tf.mean(perChannel).dataSync()[0]).toBeGreaterThan(0.25);
    expect(tf.mean(perChannel).dataSync()[0]).toBeLessThan(0.75);
  });
});

testGoldens(path.join(folder, 'test/golden'), { ccnet: fromTorch });

testReadme(folder);

describe('from PyTorch', () => {
  const filled = (value: number, ...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value) });
  const attention = (channels: number, prefix = '') =>
    Object.fromEntries(
      [
        ['gamma', filled(1, 1)] as const,
        ...['query', 'key', 'value'].flatMap((name) => {
          const units = name === 'value' ? channels : Math.floor(channels / 8);
          return [[`${name}_conv.weight`, filled(0.1, units, channels, 1, 1)] as const, [`${name}_conv.bias`, filled(0, units)] as const];
        }),
      ].map(([name, tensor]) => [prefix + name, tensor]),
    );
  const norm = (name: string, channels: number, scale: number) => ({
    [`${name}.weight`]: filled(scale, channels),
    [`${name}.bias`]: filled(0, channels),
    [`${name}.running_mean`]: filled(0, channels),
    [`${name}.running_var`]: filled(1, channels),
  });
  const head = (scale: number) => ({
    'conva.0.weight': filled(0.1, 8, 32, 3, 3),
    ...norm('conva.1', 8, scale),
    ...attention(8, 'cca.'),
    'convb.0.weight': filled(0.1, 8, 8, 3, 3),
    ...norm('convb.1', 8, scale),
    'bottleneck.0.weight': filled(0.1, 12, 40, 3, 3),
    ...norm('bottleneck.1', 12, scale),
    'bottleneck.3.weight': filled(0.1, 5, 12, 1, 1),
    'bottleneck.3.bias': filled(0, 5),
  });
  const config = { in_channels: 32, out_channels: 12, num_classes: 5 };

  test('tells the attention and the head apart, with the defaults of the official code', () => {
    const block = fromTorch({ config: { in_dim: 16 }, state: attention(16) });
    expect(block.getConfig()).toMatchObject({ recurrence: 1, reduction: 8, keyChannels: null });
    expect(block.getClassName()).toBe('SaccadeCrissCrossAttention');
    const whole = fromTorch({ config: { ...config, dropout: 0.1 }, state: head(1) });
    expect(whole.getConfig()).toMatchObject({ classes: 5, width: null, outChannels: 12, recurrence: 1, dropout: 0.1 });
    expect(fromTorch({ config, state: head(1) }).getConfig()).toMatchObject({ dropout: 0 });
  });

  test('takes the scale of InPlaceABN', async () => {
    const x = random([1, 4, 5, 32]);
    const asIs = fromTorch({ config, state: head(0.5 + 1e-5) });
    const inplace = fromTorch({ config: { ...config, inplace_abn: true }, state: head(-0.5) });
    await closeTo(inplace.apply(x) as tf.Tensor, asIs.apply(x) as tf.Tensor, 1e-6);
  });

  test('refuses arguments and state dicts that do not fit', () => {
    expect(() => fromTorch({ config: { dim: 16 } as never, state: {} })).toThrow(
      'CCNet: received the arguments {"dim":16}. Give "in_dim" for a CrissCrossAttention, or "in_channels" for an RCCAModule.',
    );
    expect(() => fromTorch({ config: { in_dim: 16, recurence: 2 } as never, state: attention(16) })).toThrow(
      'CrissCrossAttention: unknown argument "recurence" (received 2). Did you mean "recurrence"? The arguments are in_dim, recurrence, key_channels.',
    );
    expect(() => fromTorch({ config: { in_channels: 32 } as never, state: head(1) })).toThrow(
      'RCCAModule: missing argument "out_channels", "num_classes". Give it as the PyTorch constructor got it.',
    );
    expect(() => fromTorch({ config: { in_dim: 16, key_channels: 4 }, state: attention(16) })).toThrow(
      'SaccadeCrissCrossAttention: the state dict does not fit: "query_conv.weight" has shape [2, 16, 1, 1], but must be [4, 16]; "query_conv.bias" has shape [2], but must be [4]; ' +
        '"key_conv.weight" has shape [2, 16, 1, 1], but must be [4, 16]; "key_conv.bias" has shape [2], but must be [4]. ' +
        'Check that it is of this module alone and that the arguments are those it was made with.',
    );
  });
});
