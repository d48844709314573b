import { scaleJointly, type ChannelTerms, type JointOptions } from '@saccade/core';
import { useBackend } from '@saccade/backends';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { expectGuarded, expectSame, normal, type Operation } from './plain.ts';

type Terms = readonly ('factor' | 'offset')[];

const CASES: [number[], Terms, JointOptions][] = [
  [[2, 3, 5, 7], ['factor', 'offset'], { activation: 'tanh' }],
  [[2, 3, 4, 20], ['offset'], { residual: true }],
  [[2, 5, 3, 4], ['factor'], { residual: true, activation: 'tanh' }],
  [[1, 9, 13, 130], ['factor', 'offset'], {}],
  [[2, 4, 6], ['offset'], {}],
];

const ours =
  (terms: Terms, options: JointOptions): Operation =>
  (x, spatial, ...rest) =>
    scaleJointly(x, spatial, Object.fromEntries(terms.map((term, i) => [term, rest[i]])) as unknown as ChannelTerms, options);

function plain(terms: Terms, { activation = 'sigmoid', residual = false }: JointOptions): Operation {
  return (x, spatial, ...rest) => {
    const term = (name: 'factor' | 'offset', otherwise: number) => {
      const at = terms.indexOf(name);
      return at < 0
        ? otherwise
        : tf.reshape(
            rest[at],
            x.shape.map((size, axis) => (axis > 0 && axis < x.rank - 1 ? 1 : size)),
          );
    };
    const logits = tf.add(tf.mul(tf.expandDims(spatial, -1), term('factor', 1)), term('offset', 0));
    const gate = activation === 'tanh' ? tf.tanh(logits) : tf.sigmoid(logits);
    return tf.mul(x, tf.add(gate, residual ? 1 : 0));
  };
}

const inputsOf = (shape: number[], terms: Terms) => [
  normal(shape, 1),
  normal(shape.slice(0, -1), 2),
  ...terms.map((_, i) => normal([shape[0], shape.at(-1)!], 3 + i)),
];

onEachBackend((backend) => {
  const tolerance = backend === 'webgpu' ? { value: 1e-4, gradient: 1e-3 } : { value: 1e-5, gradient: 1e-4 };

  test.each(backend === 'webgpu' ? CASES.slice(0, 2) : CASES)('scales %j jointly by %j, %j', async (shape, terms, options) => {
    await expectSame(ours(terms, options), plain(terms, options), inputsOf(shape, terms), tolerance);
  });
});

test.each(CASES)('on wasm, nothing is read or written out of bounds by scaling %j jointly by %j, %j', async (shape, terms, options) => {
  await useBackend('wasm');
  await expectGuarded(ours(terms, options), inputsOf(shape, terms));
  await useBackend('cpu');
});

test('scaleJointly refuses what does not fit', () => {
  const [x, offset] = [tf.zeros([2, 3, 4, 5]), tf.zeros([2, 5]) as tf.Tensor2D];
  expect(() => scaleJointly(x, tf.zeros([2, 4, 3]), { offset })).toThrow(
    'scaleJointly: attention over positions of shape [2, 4, 3] does not fit a map of shape [2, 3, 4, 5]. Give [N, …positions].',
  );
  expect(() => scaleJointly(x, tf.zeros([2, 3, 4]), { factor: tf.zeros([1, 5]) })).toThrow(
    "scaleJointly: a channel's term of shape [1, 5] does not fit a map of shape [2, 3, 4, 5]. Give [N, C].",
  );
});
