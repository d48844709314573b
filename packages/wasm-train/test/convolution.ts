import * as tf from '@tensorflow/tfjs-core';
import { randomNumbers, values } from './compare.ts';

export type Pad = 'same' | 'valid' | number | [[number, number], [number, number], [number, number], [number, number]];

/** A convolution; of a depthwise one, `outputs` is the depth multiplier. */
export interface Convolution {
  readonly depthwise: boolean;
  readonly input: [number, number, number, number];
  readonly kernel: [number, number];
  readonly outputs: number;
  readonly strides: [number, number];
  readonly dilations: [number, number];
  readonly pad: Pad;
}

export function convolve(x: tf.Tensor4D, filter: tf.Tensor4D, { depthwise, strides, pad, dilations }: Convolution): tf.Tensor4D {
  return depthwise ? tf.depthwiseConv2d(x, filter, strides, pad, 'NHWC', dilations) : tf.conv2d(x, filter, strides, pad, 'NHWC', dilations);
}

/** The gradients of input and filter, for a gradient of the output that differs everywhere. */
export function gradientsOf(convolution: Convolution, run: typeof convolve = convolve): tf.Tensor[] {
  const { input, kernel, outputs } = convolution;
  const x = values<tf.Tensor4D>(input, 1);
  const filter = values<tf.Tensor4D>([...kernel, input[3], outputs], 2);
  const dy = values(run(x, filter, convolution).shape, 3);
  return tf.grads((x, filter) => run(x as tf.Tensor4D, filter as tf.Tensor4D, convolution))([x, filter], dy);
}

export function nameOf({ depthwise, ...choices }: Convolution): string {
  return `${depthwise ? 'depthwise ' : ''}${JSON.stringify(choices)}`;
}

/** A convolution from what is special to it. */
export function convolution(choices: Partial<Convolution>): Convolution {
  return { depthwise: false, input: [1, 7, 7, 3], kernel: [3, 3], outputs: 4, strides: [1, 1], dilations: [1, 1], pad: 'same', ...choices };
}

/** A padding on each side. */
export function sides(top: number, bottom: number, left: number, right: number): Pad {
  const none: [number, number] = [0, 0];
  return [none, [top, bottom], [left, right], none];
}

/** Convolutions that cover each choice. */
export function grid(depthwise: boolean): Convolution[] {
  const outputs = depthwise ? 1 : 4;
  const strides = [1, 2, 3].map((stride) => squared(stride));
  const square = ['same', 'valid', 0, 1, 2, sides(0, 2, 1, 0), sides(3, 1, 2, 4)].flatMap((pad) =>
    // TF.js takes both strides for equal where a padding is a number, and on wasm writes outside of its output where they are not.
    [...strides, ...(typeof pad === 'number' ? [] : [pair(1, 2), pair(3, 1)])].flatMap((strides) =>
      [1, 2, 3, 5].map((size) => convolution({ depthwise, outputs, pad: pad as Pad, strides, kernel: squared(size), input: [1, 7, 8, 3] })),
    ),
  );
  const special: Partial<Convolution>[] = [
    { input: [3, 5, 9, 1] },
    { input: [3, 9, 5, 17], outputs: depthwise ? 3 : 1 },
    { input: [3, 6, 7, 3], outputs: depthwise ? 2 : 17, strides: [2, 2] },
    { input: [1, 8, 8, 3], outputs: depthwise ? 4 : 3, strides: [3, 3], pad: 'valid' },
    { input: [1, 9, 11, 2], kernel: [7, 7] },
    { input: [3, 3, 2, 2], kernel: [7, 7] },
    { input: [1, 9, 11, 2], kernel: [7, 7], strides: [2, 2] },
    { input: [1, 6, 9, 3], kernel: [1, 5] },
    { input: [1, 9, 6, 3], kernel: [4, 1], strides: [2, 1] },
    { input: [3, 1, 1, 3], kernel: [1, 1] },
    { input: [1, 4, 4, 2], kernel: [1, 1], strides: [3, 3] },
    { input: [1, 5, 5, 2], kernel: [1, 1], strides: [2, 2], pad: sides(2, 1, 0, 3) },
    { input: [3, 40, 41, 5], outputs: depthwise ? 2 : 6 },
  ];
  return [...square, ...special.map((choices) => convolution(Object.assign({ depthwise, outputs }, choices)))];
}

function squared(size: number): [number, number] {
  return [size, size];
}

function pair(rows: number, columns: number): [number, number] {
  return [rows, columns];
}

/** Seeded random convolutions. */
export function randomConvolutions(depthwise: boolean, count: number): Convolution[] {
  const random = randomNumbers(depthwise ? 11 : 12);
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)];
  const upTo = (max: number): number => 1 + Math.floor(random() * max);
  return Array.from({ length: count }, () => {
    const kernel: [number, number] = [upTo(5), upTo(5)];
    const dilated = random() < 0.3;
    return {
      depthwise,
      input: [pick([1, 3]), 4 + upTo(10), 4 + upTo(10), pick([1, 3, 17])],
      kernel,
      outputs: depthwise ? pick([1, 2, 3]) : pick([1, 3, 17]),
      strides: dilated ? [1, 1] : [upTo(3), upTo(3)],
      dilations: dilated ? [upTo(3), upTo(3)] : [1, 1],
      pad: dilated ? 'same' : pick<Pad>(['same', sides(upTo(3), upTo(3), upTo(3), upTo(3))]),
    };
  });
}
