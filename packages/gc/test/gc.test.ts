import { globalContext, simplifiedNonLocal, type GlobalContextOptions } from '@saccade/gc';
import { fromDnl, fromTorch, type ContextBlockArguments } from '@saccade/gc/torch';
import { closeTo, random, randomiseWeights, testBlock, testGoldens, testReadme } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';

const folder = path.resolve(import.meta.dirname, '..');

describe('GlobalContext', () => {
  testBlock({
    package: '@saccade/gc',
    create: globalContext,
    input: [2, 5, 7, 12],
    options: { reduction: 3, fusions: ['multiply', 'add'] },
    inert: ['mask/bias'],
    costs: [
      [{}, [1, 28, 28, 512], 33_889, 835_584],
      [{ reduction: 4 }, [1, 28, 28, 512], 132_481, 933_888],
      [{}, [1, 14, 14, 1024], 133_313, 532_480],
      [{ reduction: 4 }, [1, 14, 14, 1024], 527_105, 925_696],
      [{}, [1, 7, 7, 2048], 528_769, 724_992],
      [{ reduction: 4 }, [1, 7, 7, 2048], 2_102_785, 2_297_856],
      [{ pooling: 'avg', fusions: ['multiply'] }, [2, 7, 7, 2048], 526_720, 1_048_576],
    ],
    refused: [
      [{ reduction: 13 }, 'GlobalContext: reduction 13 leaves no channel of 12. Give a reduction of at most 12, or set the width another way.'],
      [{ pooling: 'att' }, 'GlobalContext: option "pooling" is "att", but must be "attention" or "avg". Leave it out for the default, "attention".'],
      [
        { fusions: ['mul'] },
        'GlobalContext: option "fusions" is ["mul"], but must be a list of one or more different names out of "add", "multiply". Leave it out for the default, ["add"].',
      ],
      [{ fusions: [] }, /option "fusions" is \[\]/],
    ],
    refusedInputs: [
      [
        [null, 7, 12],
        'GlobalContext: the input has shape [null, 7, 12], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.',
      ],
    ],
  });

  test('starts as the identity where it adds, and at one half where it multiplies', async () => {
    const x = random([1, 3, 4, 32]);
    await closeTo(globalContext().apply(x) as tf.Tensor, x, 0);
    await closeTo(globalContext({ fusions: ['multiply', 'add'] }).apply(x) as tf.Tensor, tf.mul(x, 0.5), 0);
  });

  test.each([
    { pooling: 'avg', fusions: ['add'] },
    { pooling: 'avg', fusions: ['add', 'multiply'] },
    { pooling: 'attention', fusions: ['multiply'] },
    { pooling: 'attention', fusions: ['multiply', 'add'] },
  ] as const)('computes what its equations say: %j', async (options: GlobalContextOptions) => {
    const layer = globalContext({ ...options, width: 3 });
    const x = random([3, 4, 5, 8], 21);
    layer.apply(x);
    randomiseWeights(layer);
    const weight = (path: string) => layer.weights.find((weight) => weight.originalName.endsWith(path))!.read() as tf.Tensor2D;
    const rows = tf.reshape(x, [3, 20, 8]);
    const scores = () => tf.squeeze(tf.matMul(rows, tf.tile(tf.expandDims(weight('mask/kernel'), 0), [3, 1, 1])), [2]);
    const map = options.pooling === 'avg' ? tf.mul(tf.ones([3, 20]), 1 / 20) : tf.softmax(scores());
    const context = tf.sum<tf.Tensor2D>(tf.mul(rows, tf.expandDims(map, -1)), 1);
    const branch = (name: string) => {
      const hidden = tf.add(tf.matMul(context, weight(`${name}/reduce/kernel`)), weight(`${name}/reduce/bias`));
      const { mean, variance } = tf.moments(hidden, 1, true);
      const normal = tf.div(tf.sub(hidden, mean), tf.sqrt(tf.add(variance, 1e-5)));
      const positive = tf.relu<tf.Tensor2D>(tf.add(tf.mul(normal, weight(`${name}/norm/gamma`)), weight(`${name}/norm/beta`)));
      return tf.reshape(tf.add(tf.matMul(positive, weight(`${name}/expand/kernel`)), weight(`${name}/expand/bias`)), [3, 1, 1, 8]);
    };
    let expected: tf.Tensor = x;
    if (options.fusions!.includes('multiply')) expected = tf.mul(expected, tf.sigmoid(branch('multiply')));
    if (options.fusions!.includes('add')) expected = tf.add(expected, branch('add'));
    await closeTo(layer.apply(x) as tf.Tensor, expected, 1e-5);
    const maps = layer.attentionMaps(x);
    expect(Object.keys(maps)).toEqual([
      ...(options.pooling === 'attention' ? ['spatial'] : []),
      ...(options.fusions!.includes('multiply') ? ['channel'] : []),
    ]);
  });
});

describe('SimplifiedNonLocal', () => {
  testBlock({
    package: '@saccade/gc',
    create: simplifiedNonLocal,
    input: [2, 5, 7, 6],
    options: {},
    inert: ['mask/bias'],
    costs: [[{}, [1, 14, 14, 1024], 1_049_601, 205_922_304]],
    refused: [],
    refusedInputs: [
      [
        [null, 7, 12],
        'SimplifiedNonLocal: the input has shape [null, 7, 12], of rank 3, but must be [N, height, width, channels]. Add or remove axes with tf.reshape.',
      ],
    ],
  });

  test('its attention is one map an image', async () => {
    const { spatial } = simplifiedNonLocal().attentionMaps(random([3, 4, 5, 8]));
    expect(spatial.shape).toEqual([3, 4, 5]);
    await closeTo(tf.sum(spatial, [1, 2]), tf.ones([3]), 1e-6);
  });
});

testGoldens(path.join(folder, 'test/golden'), { gcblock: fromTorch, snl: fromDnl });

testReadme(folder);

describe('the PyTorch adapters', () => {
  const state = (shapes: Record<string, number[]>) =>
    Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) }]));
  const branch = (name: string, channels: number, planes: number) => ({
    [`${name}.0.weight`]: [planes, channels, 1, 1],
    [`${name}.0.bias`]: [planes],
    [`${name}.1.weight`]: [planes, 1, 1],
    [`${name}.1.bias`]: [planes, 1, 1],
    [`${name}.3.weight`]: [channels, planes, 1, 1],
    [`${name}.3.bias`]: [channels],
  });

  test('take all forms of the official arguments', () => {
    const average = state(branch('channel_mul_conv', 10, 3));
    const config: ContextBlockArguments = { in_channels: 10, ratio: 0.39, pooling_type: 'avg', fusion_types: ['channel_mul'] };
    expect(fromTorch({ config, state: average }).options).toMatchObject({ width: 3, pooling: 'avg', fusions: ['multiply'] });
    const usual = state({ 'conv_mask.weight': [1, 32, 1, 1], 'conv_mask.bias': [1], ...branch('channel_add_conv', 32, 2) });
    expect(fromTorch({ config: { inplanes: 32, ratio: 1 / 16 }, state: usual }).options).toMatchObject({
      width: 2,
      pooling: 'attention',
      fusions: ['add'],
    });
  });

  test('refuse what does not fit', () => {
    const usual = state({ 'conv_mask.weight': [1, 32, 1, 1], 'conv_mask.bias': [1], ...branch('channel_add_conv', 32, 2) });
    expect(() => fromTorch({ config: { inplanes: 32, ratio: 1 / 8, planes: 2 }, state: usual })).toThrow(
      '"channel_add_conv.0.weight" has shape [2, 32, 1, 1], but must be [4, 32]',
    );
    expect(() => fromTorch({ config: { inplanes: 32, ratio: 1 / 16, pooling_type: 'max' as 'avg' }, state: usual })).toThrow(
      'ContextBlock: argument "pooling_type" has the value "max", but takes "att" or "avg". Give it as the PyTorch constructor got it.',
    );
    expect(() => fromTorch({ config: { ratio: 1 / 16 }, state: usual })).toThrow(
      'ContextBlock: missing argument "inplanes". Give it as the PyTorch constructor got it.',
    );
    expect(() => fromDnl({ config: { inplanes: 32, simple: false }, state: {} })).toThrow(
      'ContextBlock: argument "simple" is false, but must be true here. Read the other form with fromTorch.',
    );
  });
});
