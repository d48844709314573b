/**
 * Runs one layer over a large map on the wasm backend, forward or a whole training step, and reports its time and its peak memory: the growth of
 * this process's resident set at its highest. Exits with 1 where that is more than 400 MB.
 *
 *     node apps/bench/src/memory.ts LAYER [side] [train] [options] [products=CHANNELS]
 *
 *     node apps/bench/src/memory.ts PositionAttention 128 train
 *     node apps/bench/src/memory.ts NonLocal 256 '{"mode": "gaussian"}'
 *     node apps/bench/src/memory.ts NonLocal 256 products=32
 *
 * The map is `[1, side, side, 64]`, the side 128 where none is given. The layer is that of its bench entry, with these options instead of its own.
 * With `products`, the channels of a head, it also reports the multiply-adds a second, against those that the two matrix products of attention
 * reach alone, in turns.
 */
import { useBackend } from '@saccade/backends';
import { addN, dispose, mean, randomNormal, train as optimizers, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import { attentionProducts } from './engine/products.ts';
import type { BenchLayer } from './entry.ts';
import { BenchError, unknownName, UsageError } from './errors.ts';
import { residentGauge } from './node/memory.ts';
import { workspace } from './node/workspace.ts';

const LIMIT_MB = 400;
const CHANNELS = 64;
/** Of the queries, so many are multiplied: enough for a long sample beside the layer's. */
const SHARE = 1 / 8;
/** They are timed in turns, at least so often and so long. */
const [ROUNDS, TIME_MS] = [3, 20_000];

try {
  await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof BenchError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}

async function run([block = '', ...rest]: readonly string[]): Promise<void> {
  const { side, train, options, products } = argumentsOf(rest);
  const layer = withOptions(await layerOf(block), options);
  const shape = [1, side, side, CHANNELS];
  await useBackend('wasm', { training: train });
  layer.build(shape);
  const x = randomNormal(shape);
  const outputs = () => [layer.apply(x, { training: train })].flat() as Tensor[];
  const gauge = residentGauge();
  gauge.start();
  const start = performance.now();
  if (train) optimizers.sgd(0.01).minimize(() => addN(outputs().map((y) => mean<Scalar>(y))));
  else dispose(outputs());
  const seconds = (performance.now() - start) / 1000;
  const peak = gauge.peakBytes();
  if (peak === null) throw new BenchError('Peak memory is read from /proc, which this system does not have. Run it on Linux.');
  const megabytes = peak / 2 ** 20;
  const given = Object.keys(options).length > 0 ? ` ${JSON.stringify(options)}` : '';
  const what = `${block}${given} on ${shape.join('×')}, ${train ? 'a training step' : 'forward'}`;
  console.log(`${what}: ${seconds.toFixed(1)} s, peak memory ${megabytes.toFixed(0)} MB of ${LIMIT_MB} MB`);
  if (products !== null) await compareWithProducts(layer, x, products);
  process.exitCode = megabytes <= LIMIT_MB ? 0 : 1;
}

/** Tells the multiply-adds a second of the layer and of the products, which are timed in turns. */
async function compareWithProducts(layer: BenchLayer, x: Tensor, channels: number): Promise<void> {
  const [, height, width] = x.shape;
  const products = attentionProducts(height * width, channels, SHARE);
  const { macs } = layer.cost(x.shape);
  const forward = () => dispose(layer.apply(x) as Tensor | Tensor[]);
  const [own, alone]: number[][] = [[], []];
  processorTimeOf(products.run);
  for (const end = performance.now() + TIME_MS; own.length < ROUNDS || performance.now() < end;) {
    own.push(processorTimeOf(forward));
    alone.push(processorTimeOf(products.run));
  }
  // The best: whatever else the machine does makes both slower.
  const [rate, rateAlone] = [macs / Math.min(...own) / 1e6, products.macs / Math.min(...alone) / 1e6];
  console.log(
    `${rate.toFixed(1)} G multiply-adds a second, ${((100 * rate) / rateAlone).toFixed(0)} % of the ${rateAlone.toFixed(1)} G ` +
      `that the two products of attention reach alone, with ${channels} channels; the best of ${own.length} in turns`,
  );
}

/** The milliseconds that a processor works on it: without those in which other programs have it. The wasm backend computes in this thread. */
function processorTimeOf(work: () => void): number {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

interface Arguments {
  readonly side: number;
  readonly train: boolean;
  readonly options: object;
  /** The channels of a head. */
  readonly products: number | null;
}

function argumentsOf(args: readonly string[]): Arguments {
  let [side, train, options] = [128, false, {}];
  let products: number | null = null;
  for (const argument of args) {
    if (argument === 'train') train = true;
    else if (/^[1-9]\d*$/.test(argument)) side = Number(argument);
    else if (/^products=[1-9]\d*$/.test(argument)) products = Number(argument.slice('products='.length));
    else if (argument.startsWith('{')) options = JSON.parse(argument) as object;
    else
      throw new UsageError(
        `Received "${argument}", but after the layer come a side, "train", options and "products=CHANNELS": NonLocal 128 train '{"reduction": 4}'.`,
      );
  }
  return { side, train, options, products };
}

async function layerOf(block: string): Promise<BenchLayer> {
  // A package that is not built takes its own layers away, and no others.
  const loaded = await Promise.allSettled(workspace(import.meta.filename).packages.map(({ load }) => load()));
  const entries = loaded.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  const entry = entries.find((candidate) => candidate.block === block);
  const blocks = entries.map((candidate) => candidate.block);
  if (!entry) throw unknownName('layer', block, blocks);
  return entry.layer(CHANNELS);
}

function withOptions(layer: BenchLayer, options: object): BenchLayer {
  const type = layer.constructor as new (args: object) => BenchLayer;
  return new type({ ...layer.getConfig(), ...options });
}
