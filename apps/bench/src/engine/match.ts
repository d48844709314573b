import { concat, randomNormal, reshape, type Tensor } from '@tensorflow/tfjs-core';
import type { BenchEntry, BenchLayer, MapShape } from '../entry.ts';
import { GraphBuilder, type Graph } from '../peers/graph.ts';
import { seedOf } from './random.ts';
import { perturbWeights, weightReader } from './weights.ts';

/** A computation of one output from one input, without side effects. It may leave intermediate tensors to the caller's `tidy`. */
export type Forward = (x: Tensor) => Tensor;

/** Why something is not run, for the reader of a table. */
export interface Refusal {
  readonly refused: string;
}

/** What is timed, the plain form that it is held against, and what both compute from. */
export interface Match {
  readonly input: Tensor;
  readonly subject: Forward;
  readonly baseline: Forward | Refusal;
  /** Writes the block down as an ONNX graph, with the same weights; absent where its entry does not. */
  readonly graph?: () => Promise<Graph>;
  /** How far the outputs may be from each other. Default: 1e-4. */
  readonly tolerance?: number | undefined;
  /** Learned parameters, where there are any. */
  readonly params?: number;
  /** Multiply-adds of one forward. */
  readonly macs?: number;
}

// What the wasm backend can address, less what else it holds; the same everywhere, so that tables of several backends have the same rows.
const BASELINE_LIMIT_BYTES = 2 ** 31;

/** The random input that every measurement at a shape uses. */
export function inputOf(shape: MapShape): Tensor {
  return randomNormal(shape as number[], 0, 1, 'float32', seedOf(shape.join('x')));
}

/**
 * Sets up an entry's layer and its baseline at a shape, with the same weights, none of them zero.
 *
 * @throws what the layer throws for a shape that it cannot take
 */
export async function matchOf(entry: BenchEntry, shape: MapShape): Promise<Match> {
  const layer = entry.layer(shape.at(-1)!);
  layer.build(shape as number[]);
  await perturbWeights(layer);
  const bytes = entry.baselineBytes?.(shape) ?? 0;
  const tooLarge = bytes > BASELINE_LIMIT_BYTES && {
    refused: `not run: it needs ${(bytes / 2 ** 30).toFixed(1)} GiB at once, and the limit is ${BASELINE_LIMIT_BYTES / 2 ** 30} GiB`,
  };
  const plain = tooLarge || (entry.baseline(weightReader(layer), layer) as (x: Tensor) => Tensor | Tensor[]);
  const baseline: Forward | Refusal = 'refused' in plain ? plain : (x) => joined(plain(x));
  const subject: Forward = (x) => joined(layer.apply(x) as Tensor | Tensor[]);
  const graph = entry.onnx && (() => graphOf(layer, entry.onnx!, shape));
  return { input: inputOf(shape), ...(graph && { graph }), subject, baseline, tolerance: entry.tolerance, ...layer.cost(shape) };
}

function graphOf(layer: BenchLayer, onnx: NonNullable<BenchEntry['onnx']>, shape: MapShape): Promise<Graph> {
  const builder = new GraphBuilder(weightReader(layer), shape);
  return builder.graph(onnx(builder, layer));
}

/** Several outputs as one, so that all of them are compared. */
function joined(outputs: Tensor | Tensor[]): Tensor {
  return Array.isArray(outputs) ? concat(outputs.map((output) => reshape(output, [-1]))) : outputs;
}
