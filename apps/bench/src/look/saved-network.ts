/**
 * Trained networks as safetensors files: weights as 16-bit floats, and where they come from as the file's metadata, which any reader of
 * the format shows.
 */
import { readSafetensors } from '@saccade/core/torch';
import { tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { pathOf } from '../engine/weights.ts';
import { BenchError } from '../errors.ts';
import { TASKS } from '../tasks/names.ts';
import { toHalf } from './half.ts';

const text = z.string().max(300);
const optionalText = text.nullable().default(null);
const count = z.number().int().nonnegative();
const perChannel = z.array(z.number()).min(1).max(4).readonly();

// As metadata holds it, which is a map of strings: all but texts is JSON, and null is left out.
const provenance = z.object({
  task: z.enum(TASKS),
  /** The block's name in the benchmark; null for the network without one. */
  block: optionalText,
  /** The package that the block is of, and its version; null without a block. */
  package: optionalText,
  packageVersion: optionalText,
  seed: json(count),
  epochs: json(count),
  /** The images that it was trained and tested on. */
  data: text,
  metric: z.enum(['accuracy', 'mean IoU']),
  /** On the test images, 0 to 1. */
  score: json(z.number().min(0).max(1)),
  /** Learned parameters of the whole network. */
  params: json(count),
  /** The form of the images that the task is made from: what the network is built for. */
  images: json(z.object({ height: count, width: count, channels: count, classes: count })),
  /** Of the training pixels, 0 to 255, for each channel: the network takes (pixel − mean) / deviation. */
  mean: json(perChannel),
  deviation: json(perChannel),
  /** What it was trained on. */
  backend: text,
  versions: json(z.record(text, text)),
  commit: optionalText,
  /** When it was trained. */
  date: z.iso.datetime(),
});

/** Where a network comes from. */
export type Provenance = z.output<typeof provenance>;

/** A weight as a file holds it. */
export interface SavedWeight {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

export interface SavedNetwork {
  /** By the names that {@link saveNetwork} gives them. */
  readonly weights: Readonly<Record<string, SavedWeight>>;
  readonly provenance: Provenance;
}

/**
 * One safetensors file: all weights of a network, moving statistics included, rounded to 16-bit floats, and its provenance as `__metadata__`.
 *
 * @throws where a weight has a value that 16-bit floats do not reach
 */
export async function saveNetwork(network: LayersModel, from: Provenance): Promise<Uint8Array<ArrayBuffer>> {
  const weights = await Promise.all(
    namedWeights(network).map(async ({ name, weight }) => ({ name, shape: weight.shape, values: await weight.read().data() })),
  );
  const metadata = Object.entries(from).flatMap(([key, value]) =>
    value === null ? [] : [[key, typeof value === 'string' ? value : JSON.stringify(value)]],
  );
  const header: Record<string, unknown> = { __metadata__: Object.fromEntries(metadata) };
  let end = 0;
  for (const { name, shape, values } of weights) {
    const begin = end;
    end += 2 * values.length;
    header[name] = { dtype: 'F16', shape, data_offsets: [begin, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // Spaces after the header let the values begin at a multiple of 8, as the format asks for.
  const headerLength = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + headerLength + end).fill(0x20, 8, 8 + headerLength);
  bytes.set(json, 8);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(headerLength), true);
  let at = 8 + headerLength;
  for (const { name, values } of weights) {
    for (const value of values) {
      const half = toHalf(value);
      if ((half & 0x7c00) === 0x7c00)
        throw new BenchError(`The weight "${name}" has the value ${value}, but a saved network holds finite values up to 65504. Train it again.`);
      view.setUint16(at, half, true);
      at += 2;
    }
  }
  return bytes;
}

/**
 * Reads a file of {@link saveNetwork}. Nothing in it is trusted.
 *
 * @throws where it is no such file, saying what is wrong with it
 */
export function loadNetwork(bytes: Uint8Array): SavedNetwork {
  const { tensors, metadata } = readSafetensors(bytes);
  const checked = provenance.safeParse(metadata);
  if (!checked.success) {
    const { path, message } = checked.error.issues[0];
    throw new BenchError(
      `This safetensors file is no network of the benchmark: in its metadata, "${path.join('.')}": ${message}. Save it with saccade-bench accuracy --save.`,
    );
  }
  return { weights: tensors, provenance: checked.data };
}

/**
 * Gives a network the weights of a saved one of the same structure.
 *
 * @throws where their weights differ in name or shape; the network is then as it was
 */
export function restoreNetwork(network: LayersModel, weights: SavedNetwork['weights']): void {
  const own = namedWeights(network);
  const names = own.map(({ name }) => name);
  const missing = names.find((name) => !Object.hasOwn(weights, name));
  const extra = Object.keys(weights).find((name) => !names.includes(name));
  if (missing !== undefined) throw mismatch(`has no weight "${missing}"`);
  if (extra !== undefined) throw mismatch(`has a weight "${extra}" that the network lacks`);
  for (const { name, weight } of own) {
    const saved = weights[name].shape;
    if (saved.join() !== weight.shape.join())
      throw mismatch(`has a weight "${name}" of shape [${saved.join(', ')}], where the network's is [${weight.shape.join(', ')}]`);
  }
  for (const { name, weight } of own) {
    const value = tensor(Float32Array.from(weights[name].data), weight.shape as number[]);
    weight.write(value);
    value.dispose();
  }
}

function mismatch(what: string): BenchError {
  return new BenchError(
    `The saved network ${what}: it was saved with another version of the block or of the benchmark's network. Train it again with saccade-bench accuracy --save.`,
  );
}

/**
 * A network's weights by names that are the same in every process, `layer/path`. TensorFlow.js ends the names of layers that were given none
 * with their class and a number that counts all such layers of the process; here the second one of a network is `layer.1`.
 */
function namedWeights(network: LayersModel): { name: string; weight: LayersModel['weights'][number] }[] {
  const times = new Map<string, number>();
  return network.layers.flatMap((layer) => {
    const base = layer.name.replace(new RegExp(`_${layer.getClassName()}\\d+$`), '');
    const before = times.get(base) ?? 0;
    times.set(base, before + 1);
    const name = before === 0 ? base : `${base}.${before}`;
    return layer.weights.map((weight) => ({ name: `${name}/${pathOf(layer, weight)}`, weight }));
  });
}

/** A string that holds the JSON of what `schema` describes. */
function json<T extends z.ZodType>(schema: T) {
  const parse = (value: string, context: z.RefinementCtx): unknown => {
    try {
      return JSON.parse(value) as unknown;
    } catch {
      context.addIssue(`${JSON.stringify(value)} is not JSON`);
      return z.NEVER;
    }
  };
  return z
    .string()
    .max(3000)
    .transform(parse)
    .pipe(schema as z.ZodType<z.output<T>>);
}
