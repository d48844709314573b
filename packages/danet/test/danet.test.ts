import { channelAffinityAttention, dualAttentionHead, positionAttention } from '@saccade/danet';
import { channelAffinityAttentionFromTorch, dualAttentionHeadFromTorch, positionAttentionFromTorch } from '@saccade/danet/torch';
import { closeTo, equalsPlain, onEachBackend, random, randomiseWeights, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

describe('PositionAttention', () => {
  testBlock({
    package: '@saccade/danet',
    create: positionAttention,
    input: [2, 3, 5, 6],
    options: { keyChannels: 2, reduction: 5 },
    inert: ['key/bias'],
    costs: [
      [{}, [1, 96, 96, 512], 328_321, 51_942_260_736],
      [{ reduction: 4 }, [2, 3, 4, 16], 409, 2 * 12 * (16 * 24 + 12 * 20)],
    ],
    refused: [
      [{ reduction: 8 }, 'PositionAttention: reduction 8 leaves no channel of 6. Give a reduction of at most 6, or set the width another way.'],
      [
        { keyChannels: 0.5 },
        'PositionAttention: option "keyChannels" is 0.5, but must be a whole number ≥ 1, or null. Leave it out for the default, null.',
      ],
      [
        { keyChanels: 1 },
        'PositionAttention: unknown option "keyChanels" (received 1). Did you mean "keyChannels"? The options are reduction, keyChannels.',
      ],
    ],
    refusedInputs: [[[null, 7, 6], /PositionAttention: the input has shape .*, of rank 3, but must be \[N, height, width, channels\]/]],
  });

  test('starts as the identity', async () => {
    const x = random([2, 4, 5, 16]);
    await closeTo(positionAttention().apply(x) as tf.Tensor, x, 0);
  });

  test('gives the maps of the chosen queries, in their order', async () => {
    const layer = positionAttention();
    const x = random([2, 4, 5, 16]);
    layer.build(x.shape);
    randomiseWeights(layer);
    const all = layer.attentionMaps(x, { queries: Array.from({ length: 20 }, (_, i) => i) });
    const some = layer.attentionMaps(x, { queries: [7, 3] });
    await closeTo(some.query, tf.gather(all.query, [7, 3], 1), 1e-6);
    await closeTo(tf.sum(all.query, 2), tf.ones([2, 20]), 1e-6);
  });
});

describe('ChannelAffinityAttention', () => {
  testBlock({
    package: '@saccade/danet',
    create: channelAffinityAttention,
    input: [2, 2, 3, 5],
    options: { affinity: 'direct' },
    costs: [
      [{}, [1, 96, 96, 512], 1, 4_831_838_208],
      [{ affinity: 'direct' }, [2, 3, 4, 16], 1, 2 * 2 * 12 * 16 * 16],
    ],
    refused: [
      [
        { affinity: 'similar' },
        'ChannelAffinityAttention: option "affinity" is "similar", but must be "inverted" or "direct". Leave it out for the default, "inverted".',
      ],
    ],
    refusedInputs: [[[null, 7, 6], /ChannelAffinityAttention: the input has shape .*, of rank 3, but must be \[N, height, width, channels\]/]],
  });

  test('starts as the identity', async () => {
    const x = random([2, 4, 5, 16]);
    await closeTo(channelAffinityAttention().apply(x) as tf.Tensor, x, 0);
  });

  onEachBackend(() => {
    test.each(['inverted', 'direct'] as const)('equals the paper in plain ops, with affinity %s', async (affinity) => {
      await equalsPlain(channelAffinityAttention({ affinity }), [3, 4, 5, 6], (layer, x) => {
        const maps = tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [3, 6, 20]); // A, [N, C, H·W]
        const energy = tf.matMul(maps, maps, false, true);
        const logits = affinity === 'direct' ? energy : tf.sub(tf.max(energy, -1, true), energy);
        const weights = tf.exp(tf.sub(logits, tf.max(logits, -1, true)));
        const channel = tf.div(weights, tf.sum(weights, -1, true));
        const context = tf.transpose(tf.reshape(tf.matMul(channel, maps), [3, 6, 4, 5]), [0, 2, 3, 1]);
        return { y: tf.add(tf.mul(layer.weights[0].read(), context), x), channel };
      });
    });
  });
});

describe('DualAttentionHead', () => {
  testBlock({
    package: '@saccade/danet',
    create: dualAttentionHead,
    // Small, so that no ReLU has its kink within the step of the finite differences.
    input: [2, 2, 3, 4],
    options: { classes: 3, width: 4, keyChannels: 2, reduction: 4, affinity: 'direct', dropout: 0.25 },
    inert: ['position/attention/key/bias'],
    costs: [
      [{}, [1, 96, 96, 2048], 23_954_619, 274_475_778_048],
      [{ classes: 5 }, [2, 3, 4, 32], 5760 + 64 + 92 + 135, 2 * 12 * (2 * (9 * 32 * 8 + 9 * 8 * 8) + (8 * 10 + 12 * 9) + 2 * 8 * 8 + 3 * 8 * 5)],
    ],
    refused: [
      [{ dropout: 1 }, 'DualAttentionHead: option "dropout" is 1, but must be a number ≥ 0 and < 1. Leave it out for the default, 0.1.'],
      [{ classes: 0 }, 'DualAttentionHead: option "classes" is 0, but must be a whole number ≥ 1. Leave it out for the default, 19.'],
      [{ width: 2 }, 'PositionAttention: reduction 8 leaves no channel of 2. Give a reduction of at most 2, or set the width another way.'],
      [{ width: null }, 'PositionAttention: reduction 8 leaves no channel of 1. Give a reduction of at most 1, or set the width another way.'],
    ],
    refusedInputs: [[[null, 4, 6], /DualAttentionHead: the input has shape .*, of rank 3, but must be \[N, height, width, channels\]/]],
  });

  test('has three outputs in a model, the sum first, which see the branches that they should', () => {
    const input = tfl.input({ shape: [null, null, 32] });
    const layer = dualAttentionHead({ classes: 5 });
    const outputs = layer.apply(input) as tfl.SymbolicTensor[];
    const logits = [null, null, null, 5];
    expect(outputs.map(({ shape }) => shape)).toEqual([logits, logits, logits]);
    expect(tfl.model({ inputs: input, outputs }).predict(random([1, 3, 4, 32]))).toHaveLength(3);
    // Without what a branch's last batch norm adds and scales, its features are 0, and the logits those of the bias alone.
    const silence = (branch: string) => {
      for (const weight of layer.weights)
        if (weight.originalName.includes(`${branch}/refine/norm/gamma`)) weight.write(tf.zeros(weight.shape as number[]));
      return (layer.apply(random([1, 3, 4, 32])) as tf.Tensor[]).map((y) => tf.max(tf.moments(y, [0, 1, 2]).variance).dataSync()[0] > 1e-9);
    };
    expect(silence('position')).toEqual([true, false, true]);
    expect(silence('channel')).toEqual([false, false, false]);
  });

  test('drops whole channels of the features that logits are read from, in training only', () => {
    const layer = dualAttentionHead({ classes: 64, width: 64, dropout: 0.5 });
    const x = random([2, 3, 5, 8]);
    const [still] = layer.apply(x) as tf.Tensor[];
    expect((layer.apply(x) as tf.Tensor[])[0].dataSync()).toEqual(still.dataSync());
    // Logits that are the features themselves, none of them 0.
    for (const weight of layer.weights) {
      if (weight.originalName.endsWith('classify/kernel')) weight.write(tf.eye(64));
      if (weight.originalName.endsWith('classify/bias')) weight.write(tf.zeros([64]));
      if (weight.originalName.endsWith('refine/norm/beta')) weight.write(tf.mul(tf.ones([64]), 9));
    }
    for (const logits of layer.apply(x, { training: true }) as tf.Tensor[]) {
      const kept = tf.mean(tf.sign(tf.abs(logits)), [1, 2]);
      expect(new Set(kept.dataSync())).toEqual(new Set([0, 1]));
      expect(Math.abs(tf.mean(kept).dataSync()[0] - 0.5)).toBeLessThan(0.25);
    }
  });
});

testGoldens(path.join(folder, 'test/golden'), {
  'danet-pam': positionAttentionFromTorch,
  'danet-cam': channelAffinityAttentionFromTorch,
  'danet-head': dualAttentionHeadFromTorch,
});

testReadme(folder);

describe('from PyTorch', () => {
  const zeros = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });

  test('refuses arguments and state dicts that do not fit', () => {
    expect(() => channelAffinityAttentionFromTorch({ config: { in_dim: 8 }, state: { gamma: zeros(1), 'query_conv.bias': zeros(1) } })).toThrow(
      'SaccadeChannelAffinityAttention: the state dict does not fit: "query_conv.bias" [1] is left over.',
    );
    expect(() => positionAttentionFromTorch({ config: { in_dim: 16, key_chanels: 2 } as never, state: {} })).toThrow(
      'PAM_Module: unknown argument "key_chanels" (received 2). Did you mean "key_channels"? The arguments are in_dim, key_channels.',
    );
    expect(() => positionAttentionFromTorch({ config: { in_dim: 16, key_channels: 4 }, state: { 'query_conv.bias': zeros(2) } })).toThrow(
      '"query_conv.bias" has shape [2], but must be [4]',
    );
    expect(() => dualAttentionHeadFromTorch({ config: { in_channels: 32 } as never, state: {} })).toThrow(
      'DANetHead: missing argument "nclass". Give it as the PyTorch constructor got it.',
    );
  });
});
