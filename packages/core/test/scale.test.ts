import { GATES, scale, scaleNearest, type ScaleOptions } from '@saccade/core';
import { useBackend } from '@saccade/backends';
import { onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectGuarded, expectSame, normal, type Operation } from './plain.ts';

type Kind = keyof typeof KINDS;

// Shapes of gates of a map [N, H, W, C], and how plain tf broadcasts them.
const KINDS = {
  channels: { shape: ([n, , , c]: number[]) => [n, c], aligned: ([n, , , c]: number[]) => [n, 1, 1, c] },
  positions: { shape: ([n, h, w]: number[]) => [n, h, w], aligned: ([n, h, w]: number[]) => [n, h, w, 1] },
  rows: { shape: ([n, h, , c]: number[]) => [n, h, 1, c], aligned: ([n, h, , c]: number[]) => [n, h, 1, c] },
  columns: { shape: ([n, , w, c]: number[]) => [n, 1, w, c], aligned: ([n, , w, c]: number[]) => [n, 1, w, c] },
  map: { shape: (map: number[]) => map, aligned: (map: number[]) => map },
  shared: { shape: ([, , , c]: number[]) => [1, c], aligned: ([, , , c]: number[]) => [1, 1, 1, c] },
  // One for all channels of a row: no kernel takes it.
  lines: { shape: ([n, h]: number[]) => [n, h, 1, 1], aligned: ([n, h]: number[]) => [n, h, 1, 1] },
} as const;

function plainScale(map: number[], kinds: readonly Kind[], { activation, join, residual }: ScaleOptions): Operation {
  return (x, ...logits) => {
    const gates = logits.map((z, i) => {
      const gate = tf.reshape(z, KINDS[kinds[i]].aligned(map));
      return activation ? GATES[activation](gate) : gate;
    });
    const joined = join === 'mean' ? tf.div(gates.reduce(tf.add), gates.length) : gates.reduce((a, b) => tf.mul(a, b));
    return tf.mul(x, residual ? tf.add(joined, 1) : joined);
  };
}

const nearest: Operation = (x, gate) => {
  const sources = (axis: number) => Array.from({ length: x.shape[axis] }, (_, i) => Math.floor((i * gate.shape[axis]) / x.shape[axis]));
  return tf.mul(x, tf.gather(tf.gather(gate, sources(1), 1), sources(2), 2));
};

const CASES: [number[], Kind[], ScaleOptions][] = [
  [[2, 3, 5, 20], ['channels'], { activation: 'sigmoid' }],
  [[2, 3, 5, 7], ['channels'], { activation: 'hardSigmoid' }],
  [[2, 5, 3, 3], ['channels'], { residual: true }],
  [[2, 3, 5, 20], ['positions'], { activation: 'sigmoid' }],
  [[3, 2, 5, 7], ['positions'], { activation: 'sigmoid', residual: true }],
  [[2, 3, 5, 7], ['positions', 'channels'], { activation: 'sigmoid' }],
  [[2, 3, 5, 20], ['rows', 'columns'], { activation: 'sigmoid' }],
  [[2, 4, 3, 7], ['rows', 'columns', 'positions'], { activation: 'sigmoid', join: 'mean' }],
  [[2, 3, 5, 7], ['columns', 'rows', 'positions'], { activation: 'hardSigmoid', residual: true }],
  [[2, 3, 5, 7], ['rows', 'positions'], { join: 'mean', residual: true }],
  [[2, 4, 3, 12], ['columns', 'channels'], { activation: 'sigmoid', join: 'mean' }],
  [[2, 3, 5, 7], ['map'], { residual: true }],
  [[2, 3, 5, 7], ['map'], { activation: 'sigmoid' }],
  [[2, 3, 5, 7], ['map', 'rows'], {}],
  [[2, 3, 5, 7], ['shared', 'positions'], { activation: 'sigmoid' }],
  [[2, 1, 5, 7], ['rows', 'columns'], { activation: 'sigmoid' }],
  [[2, 3, 5, 1], ['channels', 'rows'], { activation: 'sigmoid' }],
  [[2, 3, 5, 7], ['lines', 'channels'], { activation: 'sigmoid' }],
  [[2, 3, 5, 7], ['rows', 'columns', 'channels'], { activation: 'sigmoid' }],
  [[2, 3, 5, 7], ['rows', 'columns', 'channels', 'positions'], { join: 'mean' }],
  // Several pieces, the last one smaller.
  [[1, 9, 13, 130], ['channels', 'positions'], { activation: 'sigmoid' }],
];

onEachBackend((backend) => {
  const tolerance = backend === 'webgpu' ? { value: 1e-4, gradient: 1e-3 } : { value: 1e-5, gradient: 1e-4 };
  // On webgpu, which is software here, one of each way to join gates and to find them.
  const cases = backend === 'webgpu' ? [0, 7, 8, 11, 14].map((i) => CASES[i]) : CASES;

  test.each(cases)('scales %j by %j, %j', async (map, kinds, options) => {
    const inputs = [normal(map, 1), ...kinds.map((kind, i) => normal(KINDS[kind].shape(map), 2 + i))];
    await expectSame((x, ...gates) => scale(x, gates, options), plainScale(map, kinds, options), inputs, tolerance);
  });

  test.each([
    [
      [3, 7, 5],
      [3, 5],
      [3, 1, 5],
    ],
    [
      [3, 7, 5],
      [3, 7, 1],
      [3, 7, 1],
    ],
    [
      [2, 2, 3, 2, 5],
      [2, 5],
      [2, 1, 1, 1, 5],
    ],
    [
      [2, 2, 3, 2, 5],
      [2, 2, 3, 2],
      [2, 2, 3, 2, 1],
    ],
    [
      [2, 2, 3, 2, 5],
      [2, 2, 1, 1, 5],
      [2, 2, 1, 1, 5],
    ],
    [
      [4, 6],
      [4, 6],
      [4, 6],
    ],
  ])('scales a map of shape %j by the sigmoid of %j', async (map, shape, aligned) => {
    const plain: Operation = (x, gate) => tf.mul(x, tf.sigmoid(tf.reshape(gate, aligned)));
    await expectSame((x, gate) => scale(x, gate, { activation: 'sigmoid' }), plain, [normal(map, 1), normal(shape, 2)], tolerance);
  });

  test.each([
    [
      [2, 6, 8, 3],
      [3, 2],
    ],
    [
      [2, 7, 6, 5],
      [4, 3],
    ],
    [
      [2, 5, 7, 1],
      [3, 2],
    ],
  ])('scales %j by the nearest of %j logits', async (shape, size) => {
    const inputs = [normal(shape, 1), normal([shape[0], ...size, shape[3]], 2)];
    const ours: Operation = (x, gate) => scaleNearest(x as tf.Tensor4D, gate as tf.Tensor4D, 'sigmoid');
    await expectSame(ours, (x, gate) => nearest(x, tf.sigmoid(gate)), inputs, tolerance);
  });

  test('the gate of logits far out, and its gradient', async () => {
    const logits = { shape: [1, 6], values: Float32Array.from([-200, -88, -20, 0, 20, 200]) };
    for (const activation of ['sigmoid', 'hardSigmoid'] as const) {
      const ours: Operation = (x, gate) => scale(x, gate, { activation });
      const plain: Operation = (x, gate) => tf.mul(x, GATES[activation](tf.reshape(gate, [1, 1, 1, 6])));
      await expectSame(ours, plain, [normal([1, 2, 3, 6], 1), logits], { value: 1e-6, gradient: 1e-6 });
    }
  });
});

describe('on wasm, nothing is read or written out of bounds by', () => {
  beforeAll(() => useBackend('wasm'));
  afterAll(() => useBackend('cpu'));

  test.each(CASES)('scale of %j by %j, %j, nor its gradient', async (map, kinds, options) => {
    const inputs = [normal(map, 1), ...kinds.map((kind, i) => normal(KINDS[kind].shape(map), 2 + i))];
    await expectGuarded((x, ...gates) => scale(x, gates, options), inputs);
  });

  test('scaleNearest, nor its gradient', async () => {
    await expectGuarded(
      (x, gate) => scaleNearest(x as tf.Tensor4D, gate as tf.Tensor4D, 'sigmoid'),
      [normal([2, 7, 6, 5], 1), normal([2, 4, 3, 5], 2)],
    );
  });
});

test('scale refuses to have no gate', () => {
  expect(() => scale(tf.zeros([2, 3, 4, 5]), [])).toThrow('scale: there is no gate. Give one or more.');
});
