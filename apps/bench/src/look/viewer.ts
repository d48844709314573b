/** A saved network, built anew, and what can be seen in it. */
import { argMax, softmax, tensor4d, tidy, type Tensor, type Tensor4D } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { BenchPackage } from '../compare/packages.ts';
import { networkOf, type Insert } from '../engine/network.ts';
import type { BenchLayer } from '../entry.ts';
import { BenchError } from '../errors.ts';
import { tasks, type ImageFormat, type Task } from '../tasks/tasks.ts';
import { placesOf, recurrenceOf, type Place } from './maps.ts';
import { normalised } from '../data/normalisation.ts';
import { restoreNetwork, type Provenance, type SavedNetwork } from './saved-network.ts';

export interface Viewer {
  readonly provenance: Provenance;
  readonly task: Task;
  /** Of the images that the network takes. */
  readonly format: ImageFormat;
  readonly network: LayersModel;
  /** Where its block stands, from its input to its output; none in the network without a block. */
  readonly places: readonly Place[];
  /** How often its block repeats its attention; null where that is no option of it. */
  readonly recurrence: number | null;
}

/** What a network takes an image for. */
export interface Prediction {
  /** For each class its probability, or the share of pixels that it is the most likely one of. */
  readonly shares: readonly number[];
  /** The most likely class of each pixel; null where the image has one label. */
  readonly pixels: Int32Array | null;
}

/**
 * Builds a saved network, with its weights. The caller disposes it.
 *
 * @param recurrence how often its block repeats its attention, in place of how often it did in training; null for that
 * @throws where its block cannot be had here, or is no longer what it was
 */
export async function openViewer(
  { weights, provenance }: SavedNetwork,
  packages: readonly BenchPackage[],
  recurrence: number | null = null,
): Promise<Viewer> {
  const insert = await insertOf(provenance, packages, recurrence);
  const network = networkOf(provenance.task, provenance.images, provenance.seed, insert);
  restoreNetwork(network, weights);
  const places = placesOf(network);
  const task = tasks[provenance.task];
  return { provenance, task, format: task.format(provenance.images), network, places, recurrence: places[0] ? recurrenceOf(places[0].layer) : null };
}

/** An image as the network takes it, `[1, H, W, C]`, from its pixels, 0 to 255. */
export function imageFor({ format: { height, width, channels }, provenance }: Viewer, pixels: Uint8Array): Tensor4D {
  return tensor4d(normalised(pixels, provenance), [1, height, width, channels]);
}

export async function predict({ network, task }: Viewer, image: Tensor4D): Promise<Prediction> {
  const result = tidy(() => {
    const logits = network.apply(image) as Tensor;
    return task.dense ? argMax(logits, -1) : softmax(logits);
  });
  const values = await result.data();
  result.dispose();
  if (!task.dense) return { shares: Array.from(values), pixels: null };
  const shares = task.labels.map((_, label) => values.filter((predicted) => predicted === label).length / values.length);
  return { shares, pixels: Int32Array.from(values) };
}

async function insertOf({ block, package: name }: Provenance, packages: readonly BenchPackage[], recurrence: number | null): Promise<Insert | null> {
  if (block === null) return null;
  const entries = await packages.find((candidate) => candidate.name === name)?.load();
  const entry = entries?.find((candidate) => candidate.block === block);
  if (!entry) throw new BenchError(`The network holds ${block} of ${name}, which is not among the blocks here. Choose another, or add the package.`);
  const make = entry.hostLayer ?? entry.layer;
  return { slot: entry.slot, layer: (channels) => repeated(make(channels), recurrence) };
}

/** The same layer, with another number of loops, which have their weights in common. */
function repeated(layer: BenchLayer, recurrence: number | null): BenchLayer {
  if (recurrence === null || recurrenceOf(layer) === null) return layer;
  const Layer = layer.constructor as new (config: object) => BenchLayer;
  return new Layer({ ...layer.getConfig(), recurrence });
}
