import { useBackend } from '@saccade/backends';
import * as tf from '@tensorflow/tfjs-core';
import { hostNetwork } from './engine/network.ts';
await useBackend('wasm');
await import('@saccade/wasm-train');
const net = hostNetwork([28, 28, 1], 10, 1, null);
const x = tf.randomNormal([32, 28, 28, 1]); const y = tf.oneHot(tf.range(0, 32, 1, 'int32'), 10);
const vars = net.trainableWeights.map((w) => w.read() as tf.Variable);
const opt = tf.train.adam(0.002);
const step = () => opt.minimize(() => tf.losses.softmaxCrossEntropy(y, net.apply(x, { training: true }) as tf.Tensor) as tf.Scalar, true, vars)!;
for (let i = 0; i < 5; i++) step().dataSync();
const t0 = performance.now(); for (let i = 0; i < 10; i++) step().dataSync(); console.log('step', (performance.now() - t0) / 10);
const p = await tf.profile(() => step());
const agg = new Map<string, [number, number]>();
for (const k of p.kernels) if (tf.getKernel(k.name, 'wasm')) { const a = agg.get(k.name) ?? [0, 0]; a[0] += k.kernelTimeMs as number; a[1]++; agg.set(k.name, a); }
console.log([...agg].sort((a, b) => b[1][0] - a[1][0]).slice(0, 22).map(([n, [t, c]]) => `${n} ${t.toFixed(1)} ms ×${c}`).join('\n'));
process.exit(0);
