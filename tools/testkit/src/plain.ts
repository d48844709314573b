import { useBackend, type NodeBackendName } from '@saccade/backends';
import type { Block } from '@saccade/core';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { closeTo, random, randomiseStatistics, randomiseWeights } from './tensors.ts';

/** A block's output `y` at inference, and its attention maps by name. */
export type PlainResult = Readonly<Record<string, tf.Tensor | undefined>> & { readonly y: tf.Tensor };

/**
 * Expects that a layer, on random input and with random weights and moving statistics, gives on the current backend what plain ops give on cpu: the
 * same output, and the same attention maps in the same order.
 *
 * @param layer not built yet
 * @param shape of the input
 * @param plain the block as its paper or its PyTorch code reads
 */
export async function equalsPlain<L extends Block<object>>(
  layer: L,
  shape: readonly number[],
  plain: (layer: L, x: tf.Tensor4D) => PlainResult,
): Promise<void> {
  const backend = tf.getBackend() as NodeBackendName;
  // Where on WebGPU each plain op would be one more program to compile.
  await useBackend('cpu');
  layer.build([...shape]);
  randomiseWeights(layer);
  randomiseStatistics(layer);
  const x = random(shape, 9) as tf.Tensor4D;
  const { y, ...expected } = plain(layer, x);
  await useBackend(backend);
  await closeTo(layer.apply(x) as tf.Tensor, y, 2e-5);
  const maps = layer.attentionMaps(x);
  expect(Object.keys(maps)).toEqual(Object.keys(expected));
  for (const [name, map] of Object.entries(expected)) await closeTo(maps[name], map!, 2e-5);
}
