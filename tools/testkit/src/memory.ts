import type { AnyBlock } from '@saccade/core';
import * as tf from '@tensorflow/tfjs-core';

/** MiB that tensors take at most at a time, beyond those that there were before. */
export interface PeakMemory {
  /** Of a forward. */
  readonly forward: number;
  /** Of a training step. */
  readonly training: number;
}

/** What a layer takes on an input. */
export async function peakMemory(layer: AnyBlock, x: tf.Tensor): Promise<PeakMemory> {
  tf.dispose(layer.apply(x) as tf.Tensor | tf.Tensor[]); // so that it is built
  const peak = async (f: () => void) => {
    const before = tf.memory().numBytes;
    const { peakBytes } = await tf.profile(() => tf.tidy(f));
    return (peakBytes - before) / 2 ** 20;
  };
  const loss = () => tf.addN([layer.apply(x, { training: true })].flat().map((y) => tf.mean<tf.Scalar>(y as tf.Tensor)));
  return { forward: await peak(() => void layer.apply(x)), training: await peak(() => void tf.variableGrads(loss)) };
}
