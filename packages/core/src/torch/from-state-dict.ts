import { dispose, reshape, tensor, tidy, transpose, type Tensor } from '@tensorflow/tfjs-core';
import { describe, type AnyBlock } from '../block.js';
import { BlockError, showShape } from '../errors.js';
import type { Shape } from '../shapes.js';
import type { WeightSpec } from '../weights.js';
import type { StateDict, StateTensor } from './state-dict.js';

/** From our names to PyTorch's: of a part (`reduce` → `fc1`), whose weights then have PyTorch's usual names, or of a single weight (`gamma` → `gamma`). */
export type NameMap = Readonly<Record<string, string>>;

/** What a state dict must say of a weight. */
export type PlacedWeight = Pick<WeightSpec, 'path' | 'shape' | 'layout'>;

const TORCH_NAMES: NameMap = {
  kernel: 'weight',
  bias: 'bias',
  gamma: 'weight',
  beta: 'bias',
  movingMean: 'running_mean',
  movingVariance: 'running_var',
};

/**
 * Builds a layer and gives it the weights of a PyTorch state dict. Buffers named `num_batches_tracked` are passed over.
 *
 * @param layer a layer that is not built yet; returned
 * @param inputShape the shape to build it for; sizes of positions may be null
 * @throws {@link BlockError} that names all tensors that are missing, left over or of another shape, or where the layer is built already
 */
export function fromStateDict<L extends AnyBlock>(layer: L, inputShape: Shape, state: StateDict, names: NameMap): L {
  if (layer.built) throw new BlockError(`${layer.getClassName()}: the layer "${layer.name}" is built already. Give a new layer.`);
  const { specs } = describe(layer, inputShape);
  const values = readWeights(layer.getClassName(), specs, state, names);
  layer.build([...inputShape]);
  for (const [i, weight] of weightsOf(layer, specs).entries()) weight.write(values[i]);
  dispose(values);
  return layer;
}

/**
 * The values of weights in a PyTorch state dict, in our layouts.
 *
 * @param title the layer, for messages
 * @throws {@link BlockError} that names all tensors that are missing, left over or of another shape
 */
export function readWeights(title: string, specs: readonly PlacedWeight[], state: StateDict, names: NameMap): Tensor[] {
  const sources = specs.map((spec) => torchName(spec.path, names));
  refuseMismatch(title, specs, sources, state);
  return specs.map((spec, i) => tidy(() => toOurLayout(state[sources[i]], spec)));
}

function torchName(path: string, names: NameMap): string {
  if (names[path] !== undefined) return names[path];
  const cut = path.lastIndexOf('/');
  const [part, weight] = [path.slice(0, cut), path.slice(cut + 1)];
  if (names[part] === undefined) throw new BlockError(`No PyTorch name is known for the weight "${path}". Add its part "${part}" to the name map.`);
  return `${names[part]}.${TORCH_NAMES[weight] ?? weight}`;
}

function refuseMismatch(title: string, specs: readonly PlacedWeight[], sources: readonly string[], state: StateDict): void {
  const faults: string[] = [];
  for (const [i, spec] of specs.entries()) {
    const key = sources[i];
    const found: StateTensor | undefined = state[key];
    const expected = torchShape(spec);
    if (!found) faults.push(`"${key}" ${showShape(expected)} is missing`);
    else if (!fits(found.shape, spec)) faults.push(`"${key}" has shape ${showShape(found.shape)}, but must be ${showShape(expected)}`);
  }
  const used = new Set(sources);
  for (const key of Object.keys(state)) {
    if (!used.has(key) && !key.endsWith('num_batches_tracked')) faults.push(`"${key}" ${showShape(state[key].shape)} is left over`);
  }
  if (faults.length === 0) return;
  throw new BlockError(
    `${title}: the state dict does not fit: ${faults.join('; ')}. Check that it is of this module alone and that the arguments are those it was made with.`,
  );
}

/** The layer's weights in the order of their declaration. */
function weightsOf(layer: AnyBlock, specs: WeightSpec[]) {
  // layer.weights has those that were declared trainable first; both kinds keep their order.
  const [learned, others] = [specs.filter((spec) => spec.trainable), specs.filter((spec) => !spec.trainable)];
  const order = new Map([...learned, ...others].map((spec, i) => [spec, layer.weights[i]]));
  return specs.map((spec) => order.get(spec)!);
}

function torchShape({ shape, layout }: PlacedWeight): number[] {
  if (layout === 'vector') return shape;
  if (layout === 'depthwise') return [shape[2] * shape[3], 1, shape[0], shape[1]];
  return [shape.at(-1)!, shape.at(-2)!, ...shape.slice(0, -2)];
}

function toOurLayout({ shape, data }: StateTensor, spec: PlacedWeight): Tensor {
  const x = tensor(data, [...shape]);
  const [first, second, ...kernel] = torchShape(spec);
  if (spec.layout === 'vector') return reshape(x, spec.shape);
  if (spec.layout === 'depthwise') return transpose(reshape(x, [spec.shape[2], spec.shape[3], ...kernel]), [2, 3, 0, 1]);
  return transpose(reshape(x, [first, second, ...kernel]), [...kernel.map((_, i) => i + 2), 1, 0]);
}

// A linear layer, and a convolution with a kernel of size 1 in any number of dimensions, are the same map; and a vector may be kept as [1, C, 1, 1].
function fits(found: readonly number[], spec: PlacedWeight): boolean {
  const expected = torchShape(spec);
  const free = spec.layout === 'vector' ? 0 : 2; // from this axis on, axes of size 1 do not count
  const essential = (shape: readonly number[]) => [...shape.slice(0, free), ...shape.slice(free).filter((size) => size !== 1)].join();
  return essential(found) === essential(expected);
}
