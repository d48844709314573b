/**
 * A training step of a network with four convolutions on the cpu and on the wasm backend, in one run, in turns.
 *
 * node bench/step.ts [rounds]
 */
import * as os from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { useBackend } from '@saccade/backends';
import '@saccade/wasm-train';
import { median } from './median.ts';

const BATCH = 64;
const SIZE = 28;
const CHANNELS = [8, 8, 16, 16];
const CLASSES = 10;
const WASM_STEPS_A_ROUND = 10;
const REQUIRED_RATIO = 30;

interface Run {
  step(): Promise<number>;
  readonly milliseconds: number[];
}

/** A network of a backend's own, its samples, and what its steps took. */
function start(): Run {
  const { conv2d, maxPooling2d, flatten, dense } = tfl.layers;
  const convolution = (filters: number, i: number) =>
    conv2d({
      filters,
      kernelSize: 3,
      padding: 'same',
      activation: 'relu',
      kernelInitializer: tfl.initializers.glorotUniform({ seed: i }),
      ...(i === 0 && { inputShape: [SIZE, SIZE, 1] }),
    });
  const [a, b, c, d] = CHANNELS.map(convolution);
  const model = tfl.sequential({
    layers: [
      a,
      b,
      maxPooling2d({ poolSize: 2 }),
      c,
      d,
      maxPooling2d({ poolSize: 2 }),
      flatten(),
      dense({ units: CLASSES, activation: 'softmax', kernelInitializer: tfl.initializers.glorotUniform({ seed: 9 }) }),
    ],
  });
  model.compile({ optimizer: tf.train.sgd(0.01), loss: 'categoricalCrossentropy' });
  const x = tf.randomUniform([BATCH, SIZE, SIZE, 1], 0, 1, 'float32', 7);
  const y = tf.oneHot(
    Array.from({ length: BATCH }, (_, i) => i % CLASSES),
    CLASSES,
  );
  const milliseconds: number[] = [];
  return {
    milliseconds,
    async step() {
      const begin = performance.now();
      const loss = (await model.trainOnBatch(x, y)) as number;
      milliseconds.push(performance.now() - begin);
      return loss;
    },
  };
}

const rounds = Number(process.argv[2] ?? 3);
if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`Received ${process.argv[2]} rounds, expected a whole number from 1. Give such as 3.`);

await useBackend('cpu');
const cpu = start();
await useBackend('wasm');
const wasm = start();

console.log(`${os.cpus()[0]?.model.trim()}, Node ${process.version}, one thread; batch ${BATCH}, ${SIZE}×${SIZE}, ${CHANNELS.join('-')} channels`);
for (let round = 0; round <= rounds; round++) {
  await tf.setBackend('cpu');
  const expected = await cpu.step();
  await tf.setBackend('wasm');
  const loss = await wasm.step();
  if (round === 0) {
    // Correctness first, and the first round is not timed.
    if (Math.abs(loss - expected) > 1e-3)
      throw new Error(`wasm has a loss of ${loss} where cpu has ${expected}: rebuild the package, then run its tests.`);
    cpu.milliseconds.length = wasm.milliseconds.length = 0;
    continue;
  }
  for (let step = 1; step < WASM_STEPS_A_ROUND; step++) await wasm.step();
  console.log(
    `round ${round}: cpu ${cpu.milliseconds.at(-1)!.toFixed(0)} ms, wasm ${median(wasm.milliseconds.slice(-WASM_STEPS_A_ROUND)).toFixed(1)} ms`,
  );
}
const ratio = median(cpu.milliseconds) / median(wasm.milliseconds);
console.log(
  `median of a step: cpu ${median(cpu.milliseconds).toFixed(0)} ms, wasm ${median(wasm.milliseconds).toFixed(1)} ms, ${ratio.toFixed(0)} times faster`,
);
if (ratio < REQUIRED_RATIO)
  throw new Error(`wasm is ${ratio.toFixed(1)} times faster, at least ${REQUIRED_RATIO} are required. Look at which kernel a profile blames.`);
