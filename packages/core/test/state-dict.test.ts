import { useBackend } from '@saccade/backends';
import { Block, BlockError, type BlockArgs, type Shape, type Weight, type WeightLayout, type WeightScope } from '@saccade/core';
import { checkDerived, fromStateDict, prefixed, readArguments, type StateDict, type StateTensor } from '@saccade/core/torch';
import { closeTo } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { initializers } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';

// [name, shape in TensorFlow.js, layout, trainable]
const WEIGHTS: [string, number[], WeightLayout, boolean][] = [
  ['norm/movingMean', [3], 'vector', false],
  ['mix/kernel', [3, 4], 'dense', true],
  ['conv/kernel', [2, 3, 4, 5], 'conv', true],
  ['conv/bias', [5], 'vector', true],
  ['each/kernel', [2, 3, 4, 2], 'depthwise', true],
  ['norm/gamma', [3], 'vector', true],
  ['line/kernel', [3, 2, 4], 'conv', true],
  ['temperature', [1], 'vector', true],
];

/** One weight of each layout, and one that is not learned. */
class TestLayouts extends Block<object> {
  static override readonly className = 'SaccadeTestLayouts';
  static override readonly options = {};
  readonly all: Record<string, Weight> = {};

  override define(weights: WeightScope, _: Shape): void {
    for (const [path, shape, layout, trainable] of WEIGHTS) {
      const [part, name] = path.includes('/') ? path.split('/') : ['', path];
      this.all[path] = (part ? weights.at(part) : weights).add(name, shape, initializers.zeros(), { layout, trainable });
    }
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return x;
  }

  override maps(): Record<string, tf.Tensor> {
    return {};
  }

  override macs(): number {
    return 0;
  }
}

const NAMES = { mix: 'fc', conv: 'conv.0', each: 'dw', norm: 'bn', line: 'conv1d', temperature: 'tau' };

/** Values that tell where they come from: 0, 1, 2 … in PyTorch's order. */
function counting(...shape: number[]): StateTensor {
  return { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i) };
}

function stateDict(): Record<string, StateTensor> {
  return {
    'fc.weight': counting(4, 3),
    'conv.0.weight': counting(5, 4, 2, 3),
    'conv.0.bias': counting(5),
    'dw.weight': counting(8, 1, 2, 3),
    'bn.weight': counting(3),
    'bn.running_mean': counting(3),
    'bn.num_batches_tracked': counting(),
    'conv1d.weight': counting(4, 2, 3),
    tau: counting(),
  };
}

const build = (state: StateDict, args?: BlockArgs<object>): TestLayouts => fromStateDict(new TestLayouts(args), [null, null, null, 3], state, NAMES);

beforeAll(async () => {
  await useBackend('cpu');
});

describe('fromStateDict', () => {
  test.each([{}, { trainable: false }])('puts every value where TensorFlow.js has it: %j', (args) => {
    const { all } = build(stateDict(), args);
    const at = (path: string, ...index: number[]) => {
      const { shape } = all[path].read();
      return all[path].read().dataSync()[index.reduce((offset, i, axis) => offset * shape[axis] + i, 0)];
    };
    // PyTorch's row-major places: weight[out][in], weight[out][in][h][w], weight[channel·multiplier][0][h][w].
    for (const [i, o] of indices(3, 4)) expect(at('mix/kernel', i, o)).toBe(o * 3 + i);
    for (const [h, w, i, o] of indices(2, 3, 4, 5)) expect(at('conv/kernel', h, w, i, o)).toBe(((o * 4 + i) * 2 + h) * 3 + w);
    for (const [h, w, c, m] of indices(2, 3, 4, 2)) expect(at('each/kernel', h, w, c, m)).toBe(((c * 2 + m) * 2 + h) * 3 + w);
    for (const [t, i, o] of indices(3, 2, 4)) expect(at('line/kernel', t, i, o)).toBe((o * 2 + i) * 3 + t);
    for (const path of ['conv/bias', 'norm/gamma', 'norm/movingMean'])
      expect([...all[path].read().dataSync()]).toEqual(Array.from({ length: path === 'conv/bias' ? 5 : 3 }, (_, i) => i));
    expect(at('temperature', 0)).toBe(0);
  });

  test('a convolution computes what PyTorch computes', async () => {
    // One output: Σ over i, h, w of weight[0][i][h][w]·x[i][h][w], by hand.
    const kernel = build({ ...stateDict() }).all['conv/kernel'].read() as tf.Tensor4D;
    const x = tf.tensor4d(
      Float32Array.from({ length: 24 }, (_, i) => (i % 7) - 3),
      [1, 2, 3, 4],
    );
    const y = tf.conv2d(x, kernel, 1, 'valid');
    const expected = Array.from({ length: 5 }, (_, o) =>
      indices(4, 2, 3).reduce((sum, [i, h, w]) => sum + (((o * 4 + i) * 2 + h) * 3 + w) * ((((h * 3 + w) * 4 + i) % 7) - 3), 0),
    );
    await closeTo(y, tf.tensor4d(expected, [1, 1, 1, 5]), 1e-6);
  });

  test('takes linear layers and convolutions of size 1 for each other, and vectors of any rank', () => {
    const state = stateDict();
    for (const shape of [
      [4, 3, 1],
      [4, 3, 1, 1],
      [4, 3, 1, 1, 1],
    ])
      expect(build({ ...state, 'fc.weight': counting(...shape) }).all['mix/kernel'].read().shape).toEqual([3, 4]);
    expect([
      ...build({ ...state, 'bn.weight': counting(1, 3, 1, 1), 'conv1d.weight': counting(4, 2, 1, 3) })
        .all['norm/gamma'].read()
        .dataSync(),
    ]).toEqual([0, 1, 2]);
  });

  test('names every tensor that is missing, left over or of another shape', () => {
    const { 'fc.weight': _, 'bn.weight': __, ...state } = stateDict();
    const wrong = {
      ...state,
      'conv.0.weight': counting(4, 5, 2, 3),
      'dw.weight': counting(1, 8, 2, 3),
      'fc.bias': counting(4),
      constructor: counting(1),
    };
    expect(() => build(wrong)).toThrow(
      new BlockError(
        'SaccadeTestLayouts: the state dict does not fit: "fc.weight" [4, 3] is missing; "conv.0.weight" has shape [4, 5, 2, 3], but must be [5, 4, 2, 3]; ' +
          '"dw.weight" has shape [1, 8, 2, 3], but must be [8, 1, 2, 3]; "bn.weight" [3] is missing; "fc.bias" [4] is left over; "constructor" [1] is left over. ' +
          'Check that it is of this module alone and that the arguments are those it was made with.',
      ),
    );
  });

  test('does not take a matrix for its transpose, not even a row for a column', () => {
    class TestRow extends TestLayouts {
      override define(weights: WeightScope): void {
        weights.at('mix').add('kernel', [3, 1], initializers.zeros(), { layout: 'dense' });
      }
    }
    expect(() => fromStateDict(new TestRow(), [null, null, null, 3], { 'fc.weight': counting(3, 1) }, NAMES)).toThrow(
      '"fc.weight" has shape [3, 1], but must be [1, 3].',
    );
  });

  test('refuses a part without a PyTorch name, and a layer that is built', () => {
    expect(() => fromStateDict(new TestLayouts(), [null, null, null, 3], stateDict(), {})).toThrow(
      new BlockError('No PyTorch name is known for the weight "norm/movingMean". Add its part "norm" to the name map.'),
    );
    const layer = new TestLayouts({ name: 'layouts' });
    layer.build([null, null, null, 3]);
    expect(() => fromStateDict(layer, [null, null, null, 3], stateDict(), NAMES)).toThrow(
      new BlockError('SaccadeTestLayouts: the layer "layouts" is built already. Give a new layer.'),
    );
  });

  test('leaves no tensor behind but the weights', () => {
    const before = tf.memory().numTensors;
    build(stateDict());
    expect(tf.memory().numTensors).toBe(before + WEIGHTS.length);
  });
});

describe('readArguments', () => {
  const read = (config: object) => readArguments('SEModule', config as { channels: number; bias?: boolean }, ['channels', 'bias'], ['channels']);

  test('gives back arguments that are known', () => {
    expect(read({ channels: 4 })).toEqual({ channels: 4 });
  });

  test.each([
    [{ channels: 4, biass: true }, 'SEModule: unknown argument "biass" (received true). Did you mean "bias"? The arguments are channels, bias.'],
    [{ channels: 4, toString: 1 }, 'SEModule: unknown argument "toString" (received 1). The arguments are channels, bias.'],
    [{ bias: true }, 'SEModule: missing argument "channels". Give it as the PyTorch constructor got it.'],
  ])('refuses %j', (config, message) => {
    expect(() => read(config)).toThrow(new BlockError(message));
  });
});

/** All indices into axes of these sizes. */
function indices(...sizes: number[]): number[][] {
  return sizes.reduce<number[][]>((all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])), [[]]);
}

test('checkDerived refuses what contradicts the other arguments, and takes what agrees or is left out', () => {
  const check = (hidden: unknown) => () =>
    checkDerived('CBAM', 'hidden', hidden, [2], { gate_channels: 32, pools: ['avg'], reduction_ratio: 16, bias: undefined });
  expect(check(undefined)).not.toThrow();
  expect(check([2])).not.toThrow();
  expect(check(4)).toThrow(
    'CBAM: hidden is 4, but gate_channels 32, pools ["avg"] and reduction_ratio 16 make [2]. Leave it out, or correct reduction_ratio.',
  );
  expect(() => checkDerived('Bottleneck', 'channels', 16, 12, { planes: 3, groups: undefined })).toThrow(
    'Bottleneck: channels is 16, but planes 3 makes 12. Leave it out, or correct planes.',
  );
});

test('prefixed gives the names of a module inside another', () => {
  const names = { reduce: 'fc.0', gamma: 'gamma' };
  expect(prefixed('gate', 'se', names)).toEqual({ 'gate/reduce': 'se.fc.0', 'gate/gamma': 'se.gamma' });
  expect(prefixed('gate', '', names)).toEqual({ 'gate/reduce': 'fc.0', 'gate/gamma': 'gamma' });
});
