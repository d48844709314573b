import { readSafetensors, type StateDict } from '@saccade/core/torch';
import { globalLocalAttention, type GlobalLocalAttention, type GlobalLocalAttentionOptions } from '@saccade/gala';
import { fromTorch, type GlobalLocalAttentionArguments } from '@saccade/gala/torch';
import { casesOn, equalsPlain, onEachBackend, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

testBlock({
  package: '@saccade/gala',
  create: globalLocalAttention,
  input: [2, 3, 5, 9],
  options: { form: 'release', reduction: 2, squash: 'tanh', extraConvs: 2, extraConvSize: 3 },
  costs: [
    [{}, [1, 14, 14, 1024], 790_273, 2 * 262_144 + 196 * (262_144 + 256)],
    [{ form: 'release' }, [1, 14, 14, 1024], 2_428_929, 2 * 262_144 + 196 * (262_144 + 25 * 65_536 + 256)],
    [{ form: 'release', interaction: 'additive' }, [2, 5, 3, 16], 625, 2 * (2 * 64 + 15 * (64 + 25 * 16 + 4))],
    [{ interaction: 'multiplicative', useBias: false }, [1, 5, 3, 16], 3 * 64 + 4 + 16, 128 + 15 * 68],
    [{ weighted: false, extraConvs: 2, extraConvSize: 3 }, [1, 5, 3, 16], 68 + 80 + 68 + 2 * 148 + 5, 128 + 15 * (64 + 2 * 144 + 4)],
  ],
  refused: [
    [
      { form: 'gala_tpu' },
      'GlobalLocalAttention: option "form" is "gala_tpu", but must be "paper" or "release". Leave it out for the default, "paper".',
    ],
    [{ reduction: 10 }, 'GlobalLocalAttention: reduction 10 leaves no channel of 9. Give a reduction of at most 9, or set the width another way.'],
    [
      { squash: 'relu' },
      'GlobalLocalAttention: option "squash" is "relu", but must be "tanh" or "sigmoid", or null. Leave it out for the default, null.',
    ],
    [{ extraConvSize: 4 }, /option "extraConvSize" is 4, but must be an odd whole number ≥ 1/],
    [{ interaction: 'add' }, /option "interaction" is "add", but must be "additive", "multiplicative" or "both"/],
    [{ extraConv: 1 }, /unknown option "extraConv" \(received 1\). Did you mean "extraConvs"\?/],
  ],
  refusedInputs: [
    [
      [null, 7, 9],
      'GlobalLocalAttention: the input has shape [null, 7, 9], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.',
    ],
  ],
});

testGoldens(path.join(folder, 'test/golden'), { gala: fromTorch });

testReadme(folder);

onEachBackend((backend) => {
  test.each<[shape: number[], options: GlobalLocalAttentionOptions]>(
    casesOn(backend, [
      [[1, 7, 4, 19], { reduction: 3, interaction: 'additive' }],
      [[3, 2, 5, 8], { reduction: 2, interaction: 'multiplicative', useBias: false }],
      [[2, 3, 4, 8], { form: 'release', interaction: 'additive' }],
      [[2, 3, 4, 8], { form: 'release', interaction: 'multiplicative', extraConvs: 0, squash: 'tanh' }],
      [[2, 3, 4, 8], { weighted: false, squash: 'sigmoid', extraConvs: 2, extraConvSize: 3 }],
    ]),
  )('equals plain ops on %j with %j', async (shape, options) => {
    await equalsPlain(globalLocalAttention(options), shape, plain);
  });
});

test('adds to a ResNet-50, at the inputs of its third group, the parameters of the released network', () => {
  const blocks = [512, ...Array.from({ length: 5 }, () => 1024)];
  const params = blocks.map((channels) => globalLocalAttention({ form: 'release' }).cost([1, 14, 14, channels]).params);
  expect(params.reduce((a, b) => a + b)).toBe(12_752_902);
});

describe('from PyTorch', () => {
  const stateOf = (golden: string): StateDict => {
    const { tensors } = readSafetensors(readFileSync(path.join(folder, `test/golden/${golden}.safetensors`)));
    return Object.fromEntries(
      Object.entries(tensors).flatMap(([key, value]) => (key.startsWith('state.') ? [[key.slice('state.'.length), value]] : [])),
    );
  };
  const [release, paper] = [stateOf('gala-tpu-both'), stateOf('gala-basic')];
  const without = (state: StateDict, ...names: string[]) => Object.fromEntries(Object.entries(state).filter(([key]) => !names.includes(key)));

  // Which weights of the interaction a state dict has, and which of them count.
  test.each<[GlobalLocalAttentionArguments, StateDict, string[]]>([
    [{ channels: 16 }, release, ['additive', 'multiplicative']],
    [{ channels: 16, interaction: 'additive' }, without(release, 'alpha', 'beta'), []],
    [{ channels: 16, interaction: 'additive' }, release, []],
    [{ channels: 16, interaction: 'additive' }, without(release, 'beta'), ['additive']],
    [{ channels: 16, interaction: 'multiplicative' }, release, []],
    [{ channels: 16, interaction: 'multiplicative' }, without(release, 'alpha'), ['multiplicative']],
    [{ channels: 16, impl: 'paper' }, paper, ['additive', 'multiplicative']],
    [{ channels: 16, impl: 'paper', interaction: 'additive' }, paper, ['additive']],
    [{ channels: 16, impl: 'paper', interaction: 'additive' }, without(paper, 'm'), ['additive']],
    [{ channels: 16, impl: 'paper', interaction: 'multiplicative' }, paper, ['multiplicative']],
    [{ channels: 16, impl: 'paper', interaction: 'multiplicative' }, without(paper, 'a', 'm'), []],
  ])('case %#: %j', (config, state, expected) => {
    const layer = fromTorch({ config, state });
    const names = layer.weights.map(({ originalName }) => originalName.split('/').slice(1).join('/'));
    expect(names.filter((name) => !name.includes('/'))).toEqual(expected);
  });

  test('without biases, as the state dict says', () => {
    const biases = Object.keys(paper).filter((key) => key.endsWith('.bias'));
    const layer = fromTorch({ config: { channels: 16, impl: 'paper' }, state: without(paper, ...biases) });
    expect(layer.options.useBias).toBe(false);
    expect(() => fromTorch({ config: { channels: 16, impl: 'paper', bias: true }, state: without(paper, ...biases) })).toThrow(
      /"fc1.bias" \[4\] is missing/,
    );
  });

  test.each<[object, string | RegExp]>([
    [{ hidden: 8 }, 'GALA: hidden is 8, but channels 16 and reduction 4 make 4. Leave it out, or correct reduction.'],
    [{ impl: 'tpu' }, 'GALA: impl is "tpu", but must be "gala_tpu" or "paper". Leave it out for the default, "gala_tpu".'],
    [{ extra_convs: 2 }, /"extra.1.weight" \[4, 4, 5, 5\] is missing/],
    [{ extra_conv_size: 3 }, /"extra.0.weight" has shape \[4, 4, 5, 5\], but must be \[4, 4, 3, 3\]/],
    [{ interaction: 'sum' }, /option "interaction" is "sum"/],
    [{ ratio: 4 }, /^GALA: unknown argument "ratio"/],
  ])('refuses %j, which does not fit', (wrong, message) => {
    expect(() => fromTorch({ config: { channels: 16, ...wrong }, state: release })).toThrow(message);
  });
});

/** GALA as the paper writes it, or as the released code reads. */
function plain(layer: GlobalLocalAttention, x: tf.Tensor4D) {
  const { form, interaction, squash, useBias } = layer.options;
  const find = (name: string) => layer.weights.find(({ originalName }) => originalName.endsWith(`/${name}`))?.read();
  const biased = <T extends tf.Tensor>(x: T, name: string): T => (useBias ? tf.add(x, find(`${name}/bias`)!) : x);
  const linear = (x: tf.Tensor2D, name: string): tf.Tensor2D => biased(tf.matMul(x, find(`${name}/kernel`) as tf.Tensor2D), name);
  const conv = (x: tf.Tensor4D, name: string): tf.Tensor4D => {
    const kernel = find(`${name}/kernel`)!;
    return biased(
      tf.conv2d(x, (kernel.rank === 2 ? tf.reshape(kernel, [1, 1, ...(kernel as tf.Tensor2D).shape]) : kernel) as tf.Tensor4D, 1, 'same'),
      name,
    );
  };
  const vector = linear(tf.relu(linear(tf.mean(x, [1, 2]), 'globalShrink')), 'globalExpand');
  const channel = form === 'release' ? tf.relu(vector) : vector;
  let hidden = tf.relu(conv(x, 'localShrink'));
  for (let i = 0; find(`extra${i}/kernel`); i++) hidden = tf.relu(conv(hidden, `extra${i}`));
  const s = conv(hidden, 'localCollapse');
  const g = tf.reshape(channel, [x.shape[0], 1, 1, x.shape[3]]);
  const kinds = {
    additive: tf.mul(find('additive') ?? 1, tf.add(g, s)),
    multiplicative: tf.mul(find('multiplicative') ?? 1, tf.mul(g, s)),
  };
  const z = interaction === 'both' ? tf.add(kinds.additive, kinds.multiplicative) : kinds[interaction];
  const gate = (squash ?? (form === 'paper' ? 'tanh' : 'sigmoid')) === 'tanh' ? tf.tanh(z) : tf.sigmoid(z);
  return { y: tf.mul(x, gate), channel, spatial: tf.squeeze(s, [3]), gate };
}
