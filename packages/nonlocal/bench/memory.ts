/**
 * Runs the block over a 256×256 map (65,536 positions, 32 inner channels) on the wasm backend and reports time and peak memory: the
 * growth of the process's largest resident set since the backend was ready. Exits with 1 where that is more than 400 MB.
 *
 *     node packages/nonlocal/bench/memory.ts [mode] [side] [train]
 */
import { nonLocal, type Mode } from '@saccade/nonlocal';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import { readFileSync } from 'node:fs';

const LIMIT_MB = 400;

function peakMegabytes(): number {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

const [mode = 'embeddedGaussian', side = '256', train] = process.argv.slice(2);
await tf.setBackend('wasm');
const layer = nonLocal({ mode: mode as Mode, innerChannels: 32 });
const shape = [1, Number(side), Number(side), 64];
layer.build(shape);
const before = peakMegabytes();
const x = tf.randomNormal(shape);
const start = performance.now();
if (train) tf.dispose(tf.variableGrads(() => tf.mean(layer.apply(x, { training: true }) as tf.Tensor)));
else tf.dispose(layer.apply(x) as tf.Tensor);
const seconds = (performance.now() - start) / 1000;
const grown = peakMegabytes() - before;
console.log(
  `${mode}, ${shape.join('×')}${train ? ', a training step' : ''}: ${seconds.toFixed(1)} s, peak memory ${grown.toFixed(0)} MB of ${LIMIT_MB} MB`,
);
process.exit(grown <= LIMIT_MB ? 0 : 1);
