/**
 * The kernels that this package replaces, against the WASM backend's own, in one run, in turns.
 *
 * node bench/kernels.ts
 */
import * as os from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { useBackend } from '@saccade/backends';
import { median } from './median.ts';

const ROUNDS = 9;

interface Case {
  readonly what: string;
  readonly kernelName: string;
  readonly inputs: Record<string, tf.Tensor>;
  readonly attrs: object;
}

const REPLACED = ['Conv2DBackpropInput', 'MaxPoolGrad', 'AvgPoolGrad', 'BatchMatMul'];
const originals = new Map(REPLACED.map((name) => [name, tf.getKernel(name, 'wasm')]));
await import('@saccade/wasm-train');
await useBackend('wasm');

const map = tf.randomNormal<tf.Rank.R4>([64, 28, 28, 32]);
const small = tf.maxPool(map, 2, 2, 'valid');
const mean = tf.avgPool(map, 28, 1, 'valid');
const strided = tf.randomNormal([64, 14, 14, 64]);
const normal = (...shape: number[]) => tf.randomNormal(shape);
const pooling = { strides: [2, 2], filterSize: [2, 2], pad: 'valid' };
const convolution = { pad: 'same', dataFormat: 'NHWC', inputShape: map.shape };

const cases: Case[] = [
  {
    what: 'input of a 3×3 convolution, 32 to 32 channels',
    kernelName: 'Conv2DBackpropInput',
    inputs: { dy: map, filter: normal(3, 3, 32, 32) },
    attrs: { ...convolution, strides: [1, 1] },
  },
  {
    what: 'the same, 32 to 64, stride 2',
    kernelName: 'Conv2DBackpropInput',
    inputs: { dy: strided, filter: normal(3, 3, 32, 64) },
    attrs: { ...convolution, strides: [2, 2] },
  },
  { what: 'max pooling, 2×2', kernelName: 'MaxPoolGrad', inputs: { input: map, output: small, dy: small }, attrs: pooling },
  { what: 'average pooling, 2×2', kernelName: 'AvgPoolGrad', inputs: { input: map, dy: small }, attrs: pooling },
  {
    what: 'average pooling, global',
    kernelName: 'AvgPoolGrad',
    inputs: { input: map, dy: mean },
    attrs: { strides: [1, 1], filterSize: [28, 28], pad: 'valid' },
  },
  {
    what: 'A·Bᵀ, 64×128 and 3136×128',
    kernelName: 'BatchMatMul',
    inputs: { a: normal(64, 128), b: normal(3136, 128) },
    attrs: { transposeA: false, transposeB: true },
  },
  {
    what: 'Aᵀ·B, 64×3136 and 64×128',
    kernelName: 'BatchMatMul',
    inputs: { a: normal(64, 3136), b: normal(64, 128) },
    attrs: { transposeA: true, transposeB: false },
  },
  {
    what: 'A·Bᵀ, 8 pairs of 196×32 and 196×32',
    kernelName: 'BatchMatMul',
    inputs: { a: normal(8, 196, 32), b: normal(8, 196, 32) },
    attrs: { transposeA: false, transposeB: true },
  },
  {
    what: 'A·B, 8 pairs of 196×196 and 196×32',
    kernelName: 'BatchMatMul',
    inputs: { a: normal(8, 196, 196), b: normal(8, 196, 32) },
    attrs: { transposeA: false, transposeB: false },
  },
];

console.log(
  `${os.cpus()[0]?.model.trim()}, Node ${process.version}, one thread; gradients at batch 64, 28×28, 32 channels; median of ${ROUNDS}, in ms`,
);
console.log('kernel               of                                              own      here   faster');
for (const { what, kernelName, inputs, attrs } of cases) {
  const times = [originals.get(kernelName)!, tf.getKernel(kernelName, 'wasm')].map((kernel) => ({ kernel, milliseconds: [] as number[] }));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { kernel, milliseconds } of times) {
      const begin = performance.now();
      const { dataId } = kernel.kernelFunc({ inputs, attrs: attrs as tf.NamedAttrMap, backend: tf.backend() }) as tf.TensorInfo;
      // The first round warms up.
      if (round > 0) milliseconds.push(performance.now() - begin);
      tf.backend().disposeData(dataId);
    }
  }
  const [own, here] = times.map(({ milliseconds }) => median(milliseconds)) as [number, number];
  console.log(
    `${kernelName.padEnd(20)} ${what.padEnd(46)} ${own.toFixed(2).padStart(6)} ${here.toFixed(2).padStart(9)} ${(own / here).toFixed(1).padStart(7)}×`,
  );
}
