import { closeTo, withGuards } from '@saccade/testkit';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/** A tensor made on whatever backend is current, from values made once on cpu. */
export interface Input {
  readonly shape: number[];
  readonly values: Float32Array;
}

/** An operation of tensors, in our form or in the plain one. */
export type Operation = (...inputs: tf.Tensor[]) => tf.Tensor;

interface Evaluation {
  readonly y: Input;
  readonly gradients: Input[];
}

/** Values of mean 0 and variance 1, the same for the same shape and seed. */
export function normal(shape: number[], seed: number): Input {
  let state = seed;
  const uniform = (): number => {
    // Numerical Recipes' generator; its low bits are poor.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
  const size = shape.reduce((product, size) => product * size, 1);
  return { shape, values: Float32Array.from({ length: size }, () => (uniform() + uniform() + uniform() - 1.5) * 2) };
}

/** The value of an operation, and its gradients for a random gradient of the value. */
export async function evaluate(operation: Operation, inputs: readonly Input[]): Promise<Evaluation> {
  const engine = tf.engine();
  engine.startScope();
  const xs = inputs.map(toTensor);
  const y = operation(...xs);
  const gradients = tf.grads(operation)(xs, toTensor(normal(y.shape, 99)));
  const read = async (x: tf.Tensor): Promise<Input> => ({ shape: x.shape, values: (await x.data()).slice() as Float32Array });
  const evaluation = { y: await read(y), gradients: await Promise.all(gradients.map(read)) };
  engine.endScope();
  return evaluation;
}

/**
 * Expects of `ours`, on the current backend, the value and the gradients that tf's autodiff finds for `plain` on the cpu backend,
 * and that nothing leaks.
 */
export async function expectSame(
  ours: Operation,
  plain: Operation,
  inputs: readonly Input[],
  tolerance = { value: 1e-5, gradient: 1e-4 },
): Promise<void> {
  const backend = tf.getBackend();
  await tf.setBackend('cpu');
  const expected = await evaluate(plain, inputs);
  await tf.setBackend(backend);
  const tensors = tf.memory().numTensors;
  const actual = await evaluate(ours, inputs);
  expect(tf.memory().numTensors, 'tensors left behind').toBe(tensors);
  await compare(actual.y, expected.y, tolerance.value);
  for (const [i, gradient] of expected.gradients.entries()) await compare(actual.gradients[i], gradient, tolerance.gradient);
}

/** Expects the same value, as {@link expectSame} does: for forms whose gradients are those of another, which on WebGPU take long to compile. */
export async function expectSameValue(ours: Operation, plain: Operation, inputs: readonly Input[], tolerance = 1e-5): Promise<void> {
  const backend = tf.getBackend();
  const valueOf = async (operation: Operation): Promise<Input> => {
    const y = tf.tidy(() => operation(...inputs.map(toTensor)));
    const values = (await y.data()) as Float32Array;
    tf.dispose(y);
    return { shape: y.shape, values };
  };
  await tf.setBackend('cpu');
  const expected = await valueOf(plain);
  await tf.setBackend(backend);
  await compare(await valueOf(ours), expected, tolerance);
}

/** Expects that on the wasm backend, which is the current one, an operation and its gradients read and write nothing out of bounds. */
export async function expectGuarded(operation: Operation, inputs: readonly Input[]): Promise<void> {
  await withGuards(async () => {
    const { y, gradients } = await evaluate(operation, inputs);
    for (const { values } of [y, ...gradients]) expect(values.every(Number.isFinite)).toBe(true);
  });
}

async function compare(actual: Input, expected: Input, tolerance: number): Promise<void> {
  const [a, b] = [actual, expected].map(toTensor);
  await closeTo(a, b, tolerance);
  tf.dispose([a, b]);
}

export function toTensor({ shape, values }: Input): tf.Tensor {
  return tf.tensor(values, shape);
}
