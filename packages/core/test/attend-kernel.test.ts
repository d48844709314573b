import { useBackend } from '@saccade/backends';
import { attend, linear, type AttendOptions } from '@saccade/core';
import { withGuards } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { evaluate, expectSame, normal, toTensor, type Operation } from './plain.ts';

// Attention by the kernels of the wasm backend, the gradient's too, where their blocks of 32 queries and 128 keys are not full.

type Bias = 'none' | 'full' | 'of all images' | 'of all queries' | 'of all' | 'plane' | 'plane of all images';
interface Sizes {
  readonly batch: number;
  readonly n: number;
  /** Rows and columns of keys. */
  readonly keys: readonly [number, number];
  readonly d: number;
  readonly e: number;
}

const BIASES: Bias[] = ['none', 'full', 'of all images', 'of all queries', 'of all', 'plane', 'plane of all images'];
const SIZES: Sizes[] = [
  { batch: 1, n: 1, keys: [1, 1], d: 1, e: 1 },
  { batch: 3, n: 5, keys: [3, 1], d: 9, e: 2 },
  { batch: 2, n: 33, keys: [3, 43], d: 5, e: 13 },
  { batch: 2, n: 289, keys: [13, 20], d: 3, e: 8 },
];

function biasShapes(kind: Bias, { batch, n, keys: [height, width] }: Sizes): number[][] {
  const m = height * width;
  return {
    none: [],
    full: [[batch, n, m]],
    'of all images': [[1, n, m]],
    'of all queries': [[batch, 1, m]],
    'of all': [[1, 1, m]],
    plane: [
      [batch, n, height],
      [batch, n, width],
    ],
    'plane of all images': [
      [1, n, height],
      [1, n, width],
    ],
  }[kind];
}

function inputsOf(kind: Bias, sizes: Sizes) {
  const { batch, n, keys, d, e } = sizes;
  const m = keys[0] * keys[1];
  return [[batch, n, d], [batch, m, d], [batch, m, e], ...biasShapes(kind, sizes)].map((shape, i) => normal(shape, i + 1));
}

const ours: Operation = (...xs) => {
  const [q, k, v, ...terms] = xs as tf.Tensor3D[];
  const bias: AttendOptions['bias'] = terms.length === 2 ? { rows: terms[0], columns: terms[1] } : terms[0];
  return attend(q, k, v, { scale: 0.7, bias });
};

const plain: Operation = (q, k, v, ...terms) => {
  const scores = tf.mul(tf.matMul(q, k, false, true), 0.7);
  const [rows, columns] = terms;
  const pairs = (columns: tf.Tensor) => tf.reshape(tf.add(tf.expandDims(rows, 3), tf.expandDims(columns, 2)), [rows.shape[0], rows.shape[1]!, -1]);
  const bias = terms.length === 2 ? pairs(columns) : rows;
  return tf.matMul(tf.softmax(bias ? tf.add(scores, bias) : scores), v);
};

/** A wasm backend in place of the present one, on which programs are made anew. */
async function renewBackend(): Promise<void> {
  const factory = tf.findBackendFactory('wasm');
  tf.removeBackend('wasm');
  tf.registerBackend('wasm', factory);
  await tf.setBackend('wasm');
}

/** Whether a program has an instruction that plain SIMD lacks: f32x4.relaxed_madd. */
function isRelaxed(binary: Uint8Array): boolean {
  return binary.some((byte, i) => byte === 0xfd && binary[i + 1] === 0x85 && binary[i + 2] === 0x02);
}

/** exp(x) / (1 + exp(x)) of attention to keys 0 and x, for x from -86 to 0: the largest relative error. */
async function errorOfExponential(): Promise<number> {
  const xs = Float32Array.from({ length: 20_000 }, (_, i) => -86 * (i / 20_000));
  const q = tf.ones([xs.length, 1, 1]) as tf.Tensor3D;
  const k = tf.tensor3d(
    Float32Array.from({ length: 2 * xs.length }, (_, i) => (i % 2 ? xs[(i - 1) / 2] : 0)),
    [xs.length, 2, 1],
  );
  const v = tf.tile(tf.tensor3d([0, 1], [1, 2, 1]), [xs.length, 1, 1]);
  const y = await attend(q, k, v).data();
  return Math.max(...xs.map((x, i) => Math.abs(y[i] / (Math.exp(x) / (1 + Math.exp(x))) - 1)));
}

const CASES = BIASES.flatMap((kind) => SIZES.map((sizes) => [kind, sizes] as const));
// The exponential's 1.9e-7, and the rounding of a sum and of a quotient.
const EXPONENTIAL_ERROR = 1.9e-7 + 2 ** -23;

describe('on wasm', () => {
  beforeAll(() => useBackend('wasm'));
  afterAll(() => useBackend('cpu'));

  test.each(CASES)('attend and its gradients with bias %s: %j', async (kind, sizes) => {
    await expectSame(ours, plain, inputsOf(kind, sizes), { value: 1e-5, gradient: 1e-4 });
  });

  test.each(CASES)('nothing is read or written out of bounds with bias %s: %j', async (kind, sizes) => {
    await withGuards(async () => {
      const { y, gradients } = await evaluate(ours, inputsOf(kind, sizes));
      for (const { values } of [y, ...gradients]) expect(values.every(Number.isFinite)).toBe(true);
    });
  });

  test('keys that a bias of -Infinity hides get no attention, and no gradient', async () => {
    const hidden = Float32Array.from({ length: 200 }, (_, j) => (j % 3 === 0 || j < 140 ? -Infinity : 0));
    const masked: Operation = (q, k, v) => attend(q as tf.Tensor3D, k as tf.Tensor3D, v as tf.Tensor3D, { bias: tf.tensor3d(hidden, [1, 1, 200]) });
    const plain: Operation = (q, k, v) => tf.matMul(tf.softmax(tf.add(tf.matMul(q, k, false, true), tf.tensor3d(hidden, [1, 1, 200]))), v);
    const inputs = [normal([1, 9, 3], 1), normal([1, 200, 3], 2), normal([1, 200, 4], 3)];
    await expectSame(masked, plain, inputs);
  });

  test('the kernels take memory for queries and keys, not for their pairs', async () => {
    const xs = [1, 2, 3].map((seed) => toTensor(normal([1, 3000, 2], seed)));
    const { wasm } = tf.backend() as unknown as { wasm: { _malloc: (bytes: number) => number } };
    tf.dispose(tf.tidy(() => tf.grads(ours)(xs)));
    const allocate = vi.spyOn(wasm, '_malloc');
    tf.dispose(tf.tidy(() => tf.grads(ours)(xs)));
    const bytes = allocate.mock.calls.map(([bytes]) => bytes);
    allocate.mockRestore();
    tf.dispose(xs);
    // One pair of each would take 36 MB.
    expect(Math.max(...bytes)).toBeLessThan(2 ** 20);
  });

  test('the exponential is exact to 1.9e-7', async () => {
    expect(await errorOfExponential()).toBeLessThan(EXPONENTIAL_ERROR);
  });
});

describe('on a wasm backend', () => {
  beforeAll(() => useBackend('wasm'));
  afterEach(() => void vi.restoreAllMocks());
  afterAll(async () => {
    await renewBackend();
    await useBackend('cpu');
  });

  const inputs = inputsOf('plane', SIZES[2]);

  test('without relaxed SIMD, the plain form of each program gives the same', async () => {
    const { validate } = WebAssembly;
    const refused = vi.fn<() => void>();
    vi.spyOn(WebAssembly, 'validate').mockImplementation((binary) => {
      if (!isRelaxed(binary as Uint8Array)) return validate(binary);
      refused();
      return false;
    });
    await renewBackend();
    const says = vi.spyOn(console, 'debug');
    await expectSame(ours, plain, inputs);
    expect(await errorOfExponential()).toBeLessThan(EXPONENTIAL_ERROR);
    await expectSame(
      (x, kernel) => linear(x, kernel as tf.Tensor2D),
      (x, kernel) => tf.matMul(x, kernel),
      [normal([71, 13], 1), normal([13, 19], 2)],
    );
    expect(refused).toHaveBeenCalled();
    expect(says).not.toHaveBeenCalled();
  });

  test('that is built otherwise, or has no SIMD, operations compose the same, and the console is told once', async () => {
    const says = vi.spyOn(console, 'debug').mockReturnValue();
    await renewBackend();
    const { wasm } = tf.backend() as unknown as { wasm: { asm: object } };
    wasm.asm = { ...wasm.asm, memory: undefined };
    await expectSame(ours, plain, inputs);
    await expectSame(ours, plain, inputs);
    expect(says.mock.calls).toEqual([[expect.stringContaining('not built as that of TensorFlow.js 4.22')]]);
    vi.spyOn(WebAssembly, 'validate').mockReturnValue(false);
    await renewBackend();
    await expectSame(ours, plain, inputs);
    expect(says.mock.calls.slice(1)).toEqual([[expect.stringContaining('no SIMD')]]);
  });
});
