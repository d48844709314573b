import { attend, attentionRows, byTiles, type TileFunction, type TileGradient } from '@saccade/core';
import { closeTo, onEachBackend } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { execFileSync } from 'node:child_process';
import * as path from 'node:path';
import { expect, test } from 'vitest';
import { expectSame, normal, toTensor, type Operation } from './plain.ts';

type Qkv = [q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, bias: tf.Tensor3D | undefined];

function weights(q: tf.Tensor, k: tf.Tensor, bias: tf.Tensor | undefined, scale: number): tf.Tensor {
  const scores = tf.mul(tf.matMul(q, k, false, true), scale);
  return tf.softmax(bias ? tf.add(scores, bias) : scores);
}

function ours(scale: number): Operation {
  return (...xs) => {
    const [q, k, v, bias] = xs as Qkv;
    return attend(q, k, v, bias ? { scale, bias } : { scale });
  };
}

function plain(scale: number): Operation {
  return (q, k, v, bias) => tf.matMul(weights(q, k, bias, scale), v);
}

// At 8200 keys a tile of a CPU has 32 rows: one tile, tiles of whole images, tiles of some rows; and the last one smaller.
const CASES = [
  ['one tile', [1, 5, 7], 'no'],
  ['one tile', [3, 9, 5], 'full'],
  ['one tile', [3, 9, 5], 'query'],
  ['one tile', [3, 9, 5], 'image'],
  ['one tile', [3, 9, 5], 'key'],
  ['one query', [3, 1, 6], 'image'],
  ['one key', [2, 6, 1], 'full'],
  ['many queries', [2, 301, 9], 'full'],
  ['tiles of images', [3, 16, 8200], 'image'],
  ['tiles of rows', [2, 34, 8200], 'query'],
  ['tiles of images', [3, 16, 8200], 'query'],
  ['tiles of rows', [1, 34, 8200], 'no'],
  ['tiles of rows', [1, 34, 8200], 'full'],
  ['tiles of rows', [2, 34, 8200], 'image'],
  ['tiles of rows', [1, 34, 8200], 'key'],
] as const;

// tanh(a·bᵀ + bias)·c, whose c is shared by all images, and its gradient.
const work: TileFunction =
  ([b, c]) =>
  ([a, bias]) =>
    tf.matMul(tf.tanh(tf.add(tf.matMul(a, b, false, true), bias)), tf.tile(c, [a.shape[0], 1, 1]));
const workGradient: TileGradient =
  ([b, c]) =>
  (dy, [a, bias]) => {
    const hidden = tf.tanh(tf.add(tf.matMul(a, b, false, true), bias));
    const slope = tf.mul(tf.matMul(dy, tf.tile(c, [a.shape[0], 1, 1]), false, true), tf.sub(1, tf.square(hidden)));
    return [tf.matMul(slope, b), tf.sum(slope, 0, true), tf.matMul(slope, a, true), tf.sum(tf.matMul(hidden, dy, true), 0, true)];
  };

/** The largest tensor that a kernel made, and the most that all tensors took beyond those before, in bytes. */
async function memoryOf(f: () => unknown): Promise<{ largest: number; peak: number }> {
  const before = tf.memory().numBytes;
  const { kernels, peakBytes } = await tf.profile(() => tf.tidy(() => void f()));
  const bytes = kernels.flatMap(({ outputShapes }) => outputShapes.map((shape) => 4 * shape.reduce((product, size) => product * size, 1)));
  return { largest: bytes.reduce((a, b) => Math.max(a, b)), peak: peakBytes - before };
}

onEachBackend((backend) => {
  const tolerance = backend === 'webgpu' ? { value: 1e-4, gradient: 1e-3 } : { value: 1e-5, gradient: 1e-4 };

  // To need several tiles, WebGPU takes more than a software one can do here; and cpu is slow.
  test.each(CASES.slice(0, { cpu: 9, wasm: CASES.length, webgpu: 7 }[backend]))(
    'attend and its gradients: %s, [images, queries, keys] = %j, %s bias',
    async (_, [batch, queries, keys], kind) => {
      const biases = { no: [], full: [[batch, queries, keys]], query: [[1, queries, keys]], image: [[batch, 1, keys]], key: [[1, 1, keys]] }[kind];
      const shapes = [[batch, queries, 3], [batch, keys, 3], [batch, keys, 4], ...biases];
      await expectSame(
        ours(0.7),
        plain(0.7),
        shapes.map((shape, i) => normal(shape, i + 1)),
        tolerance,
      );
    },
  );

  test('attend stays finite at large scores', async () => {
    const inputs = [normal([1, 5, 3], 1), normal([1, 7, 3], 2), normal([1, 7, 2], 3)];
    await expectSame(ours(1000), plain(1000), inputs, { value: 10 * tolerance.value, gradient: 10 * tolerance.gradient });
  });

  // Told that a row takes 10⁹ columns, byTiles takes 32 rows at a time: of one image, or of several whole ones. A software WebGPU is slow.
  const sizes = [
    [4, 9],
    [1, 70],
    [3, 33],
    [2, 64],
  ];
  test.each(sizes.slice(0, backend === 'webgpu' ? 2 : undefined))('byTiles of %d images of %d rows equals the whole', async (batch, count) => {
    const inputs = [normal([batch, count, 3], 1), normal([1, count, 5], 2), normal([batch, 5, 3], 3), normal([1, 5, 2], 4)];
    const whole: Operation = (a, bias, b, c) => work([b, c])([a, bias]);
    await expectSame((a, bias, b, c) => byTiles([a, bias], [b, c], 1e9, work), whole, inputs, tolerance);
    await expectSame((a, bias, b, c) => byTiles([a, bias], [b, c], 1e9, work, { gradient: workGradient }), whole, inputs, tolerance);
  });

  test.each([
    [1, 1000, 2 ** 16],
    [64, 40, 2 ** 14],
    [3, 100, 2 ** 21],
  ])('the tiles of %d images of %d rows of %d columns fit their bytes', (batch, count, columns) => {
    const most = (backend === 'webgpu' ? 2 ** 26 : 2 ** 20) / (4 * columns);
    const tiles: number[] = [];
    const copy: TileFunction =
      () =>
      ([rows]) => {
        tiles.push(rows.size);
        return tf.mul(rows, 2);
      };
    tf.tidy(() => tf.grad((x) => byTiles([x], [], columns, copy))(tf.ones([batch, count, 1])));
    expect(Math.max(...tiles)).toBeLessThanOrEqual(Math.max(most, 32));
    // Each row once in the forward, and once more in the gradient.
    expect(tiles.reduce((a, b) => a + b)).toBe(2 * batch * count);
  });

  // As above.
  test.skipIf(backend === 'webgpu')('attend holds no more than some tiles of the scores, in the gradient too', async () => {
    const size = backend === 'cpu' ? 1000 : 3000;
    const inputs = [normal([1, size, 2], 1), normal([1, size, 2], 2), normal([1, size, 2], 3), normal([1, 1, size], 4)].map(toTensor);
    for (const { largest, peak } of [await memoryOf(() => ours(1)(...inputs)), await memoryOf(() => tf.grads(ours(1))(inputs))]) {
      expect(largest).toBeLessThanOrEqual(2 ** 20);
      expect(peak).toBeLessThan(10 * 2 ** 20); // 36 MB for all of the scores at size 3000
    }
    tf.dispose(inputs);
  });

  test.each([[[]], [[[3, 6, 7]]], [[[1, 6, 7]]], [[[3, 1, 7]]]])('attentionRows are the rows asked for, with a bias of %j', async (biases) => {
    const [q, k, bias] = [normal([3, 6, 4], 1), normal([3, 7, 4], 2), ...biases.map((shape) => normal(shape, 3))].map(toTensor) as tf.Tensor3D[];
    const rows = attentionRows(q, k, [4, 0, 4], bias ? { scale: 0.5, bias } : { scale: 0.5 });
    const expected = tf.tidy(() => tf.gather(weights(q, k, bias, 0.5), [4, 0, 4], 1));
    await closeTo(rows, expected, tolerance.value);
  });
});

test('the wasm kernels are what their sources compile to', () => {
  execFileSync(process.execPath, ['scripts/build-kernels.ts', '--check'], { cwd: path.resolve(import.meta.dirname, '..'), stdio: 'pipe' });
});
