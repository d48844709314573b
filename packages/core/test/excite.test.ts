import { ACTIVATIONS, WeightScope, type Activation } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { useBackend } from '@saccade/backends';
import { onEachBackend, withGuards } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectSame, expectSameValue, normal, toTensor, type Input, type Operation } from './plain.ts';

interface Case {
  readonly s: number[];
  readonly width: number;
  readonly activation?: Activation;
  readonly norm?: 'none' | 'layer';
  readonly useBias?: boolean;
}

// Widths and channels that fill vectors and that do not, one and several rows, and more of them than the kernels take.
const CASES: readonly [Case, ...Case[]] = [
  { s: [2, 12], width: 8 },
  { s: [1, 3, 1, 7], width: 5, activation: 'silu', norm: 'layer', useBias: false },
  { s: [1, 37], width: 3, activation: 'hardSwish', useBias: false },
  { s: [5, 33], width: 1, activation: 'leakyRelu' },
  { s: [3, 16], width: 6, activation: 'relu6', norm: 'layer' },
  { s: [300, 8], width: 4 },
];

const EPSILON = 1e-5;

/** The weights of a bottleneck, in the order in which it declares them. */
function weightsOf({ s, width, norm, useBias = true }: Case): Map<string, Input> {
  const channels = s.at(-1)!;
  const shapes: [string, number[]][] = [
    ['reduce/kernel', [channels, width]],
    ...(useBias ? [['reduce/bias', [width]] as [string, number[]]] : []),
    ...(norm === 'layer'
      ? ([
          ['norm/gamma', [width]],
          ['norm/beta', [width]],
        ] as [string, number[]][])
      : []),
    ['expand/kernel', [width, channels]],
    ...(useBias ? [['expand/bias', [channels]] as [string, number[]]] : []),
  ];
  return new Map(shapes.map(([path, shape], i) => [path, normal(shape, i + 2)]));
}

function bottleneckOf(options: Case, tensors: readonly tf.Tensor[]): parts.Bottleneck {
  const paths = [...weightsOf(options).keys()];
  const scope = new WeightScope(({ path }) => ({ read: () => tensors[paths.indexOf(path)], write: () => expect.fail(`${path} was written`) }));
  return parts.bottleneck(scope, options.s.at(-1)!, options.width, options);
}

function plainly(options: Case): Operation {
  const paths = [...weightsOf(options).keys()];
  return (s, ...tensors) => {
    const weight = (path: string): tf.Tensor => tensors[paths.indexOf(path)] ?? tf.scalar(0);
    let hidden = tf.add(tf.matMul(tf.reshape(s, [-1, s.shape.at(-1)!]), weight('reduce/kernel')), weight('reduce/bias'));
    if (options.norm) {
      const { mean, variance } = tf.moments(hidden, 1, true);
      hidden = tf.add(tf.mul(tf.div(tf.sub(hidden, mean), tf.sqrt(tf.add(variance, EPSILON))), weight('norm/gamma')), weight('norm/beta'));
    }
    const active = ACTIVATIONS[options.activation ?? 'relu'](hidden);
    return tf.reshape(tf.add(tf.matMul(active, weight('expand/kernel')), weight('expand/bias')), s.shape);
  };
}

onEachBackend((backend) => {
  const expectAlike = (ours: Operation, plain: Operation, inputs: Input[]) =>
    backend === 'webgpu' ? expectSameValue(ours, plain, inputs, 2e-5) : expectSame(ours, plain, inputs, { value: 2e-5, gradient: 1e-4 });

  test.each(backend === 'webgpu' ? CASES.slice(0, 2) : CASES)('a bottleneck of $s to $width equals plain ops', async (options) => {
    const inputs = [normal(options.s, 1), ...weightsOf(options).values()];
    await expectAlike((s, ...weights) => bottleneckOf(options, weights)(s), plainly(options), inputs);
  });

  test.each(CASES.slice(0, backend === 'webgpu' ? 1 : 3))('it sums what it makes of several squeezes of $s', async (options) => {
    const channels = options.s.at(-1)!;
    const inputs = [normal([3, 2, channels], 1), ...weightsOf(options).values()];
    await expectAlike(
      (s, ...weights) => bottleneckOf(options, weights).summed(s as tf.Tensor3D),
      (s, ...weights) => tf.sum(plainly(options)(s, ...weights), 0),
      inputs,
    );
  });
});

describe('on wasm', () => {
  beforeAll(() => useBackend('wasm'));
  afterAll(() => useBackend('cpu'));

  test('a bottleneck reads and writes nothing out of bounds', async () => {
    for (const options of CASES) {
      await withGuards(async () => {
        const s = toTensor(normal(options.s, 1));
        const weights = [...weightsOf(options).values()].map(toTensor);
        const y = tf.tidy(() => bottleneckOf(options, weights)(s));
        expect((await y.data()).every(Number.isFinite)).toBe(true);
        tf.dispose([s, y, ...weights]);
      });
    }
  });

  test('a bottleneck of a few rows is one kernel', async () => {
    const [options] = CASES;
    const tensors = [normal(options.s, 1), ...weightsOf(options).values()].map(toTensor);
    const [s, ...weights] = tensors;
    const { kernelNames, result } = await tf.profile(() => bottleneckOf(options, weights)(s));
    expect(kernelNames).toEqual(['SaccadeExcite']);
    tf.dispose([result, ...tensors]);
  });
});
