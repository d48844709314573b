import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { useBackend } from '@saccade/backends';
import { beforeAll, expect, test } from 'vitest';
import { values } from './compare.ts';

const SIZE = 12;
const BATCH = 8;

beforeAll(async () => {
  await useBackend('cpu');
  await useBackend('wasm');
});

/** A network with everything that this package makes trainable. */
function network(): tfl.Sequential {
  const { conv2d, depthwiseConv2d, maxPooling2d, averagePooling2d, flatten, dense } = tfl.layers;
  const model = tfl.sequential({
    layers: [
      conv2d({ filters: 8, kernelSize: 3, padding: 'same', activation: 'tanh', inputShape: [SIZE, SIZE, 3] }),
      maxPooling2d({ poolSize: 2 }),
      depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: 'same', activation: 'relu' }),
      conv2d({ filters: 12, kernelSize: 3, padding: 'same', dilationRate: 2, activation: 'relu' }),
      averagePooling2d({ poolSize: 2 }),
      conv2d({ filters: 8, kernelSize: 2, strides: 2, activation: 'relu' }),
      flatten(),
      dense({ units: 4, activation: 'softmax' }),
    ],
  });
  model.setWeights(model.getWeights().map((weight, i) => tf.mul(values(weight.shape, i + 1), 0.4)));
  model.compile({ optimizer: tf.train.sgd(0.3), loss: 'categoricalCrossentropy' });
  return model;
}

function samples(): { x: tf.Tensor; y: tf.Tensor } {
  const labels = Array.from({ length: BATCH }, (_, i) => i % 4);
  return { x: values([BATCH, SIZE, SIZE, 3], 99), y: tf.oneHot(labels, 4) };
}

async function losses(backend: string, steps: number): Promise<number[]> {
  await tf.setBackend(backend);
  const model = network();
  const { x, y } = samples();
  const history: number[] = [];
  for (let step = 0; step < steps; step++) history.push((await model.trainOnBatch(x, y)) as number);
  model.dispose();
  tf.dispose([x, y]);
  return history;
}

test('a model of tf.layers trains on wasm as it does on cpu', async () => {
  const [cpu, wasm] = [await losses('cpu', 4), await losses('wasm', 40)];
  cpu.forEach((loss, step) => expect(wasm[step]).toBeCloseTo(loss, 4));
  expect(wasm.at(-1)).toBeLessThan(wasm[0] / 3);
});

test('training keeps the number of tensors and the memory', async () => {
  await tf.setBackend('wasm');
  const model = network();
  const { x, y } = samples();
  const extras = (): void => {
    const table = values([5, 3], 1);
    tf.dispose([
      tf.grad((table: tf.Tensor) => tf.gather(table, tf.tensor1d([1, 4, 1], 'int32')))(table),
      tf.grad((a: tf.Tensor) => tf.matMul(a, a, false, true))(values([3, 60, 50], 2)),
      ...tf.grads((x, filter) =>
        tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 2, [
          [0, 0],
          [3, 3],
          [3, 3],
          [0, 0],
        ]),
      )([values([1, 9, 9, 2], 3), values([2, 2, 2, 2], 4)]),
      ...tf.grads((x, filter) => tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 2, 'same'))([
        values([1, 9, 9, 2], 3),
        values([3, 3, 2, 3], 4),
      ]),
    ]);
  };
  const counted = async () => {
    await model.trainOnBatch(x, y);
    tf.tidy(extras);
    const { numTensors, numDataBuffers } = tf.memory();
    const backend = tf.backend() as BackendWasm;
    return { numTensors, numDataBuffers, numDataIds: backend.numDataIds(), heap: backend.typedArrayFromHeap(x).buffer.byteLength };
  };
  for (let step = 0; step < 3; step++) await counted();
  const before = await counted();
  for (let step = 0; step < 20; step++) await counted();
  expect(await counted()).toEqual(before);
  model.dispose();
  tf.dispose([x, y]);
});
