import type { AnyBlock } from '@saccade/core';
import type { StateDict, StateTensor, TorchSource } from '@saccade/core/torch';
import * as tf from '@tensorflow/tfjs-core';
import type { layers } from '@tensorflow/tfjs-layers';
import { series, under, type Golden } from './golden.ts';

/** A layer of ours. Not every one attends. */
export type ConvertedLayer = layers.Layer & Partial<Pick<AnyBlock, 'attentionMaps'>>;

/** Builds our layer from the official arguments and state dict. */
export type FromTorch = (source: TorchSource<never>) => ConvertedLayer;

/** How far a layer is from a golden. */
export interface Report {
  readonly ok: boolean;
  /** The largest difference of each group of tensors: output, grads, attention, train, … */
  readonly groups: Readonly<Record<string, number>>;
  /** The first tensor that differs by more than its tolerance, and by how much. */
  readonly failure?: string;
}

interface Tolerance {
  readonly outputs: number;
  readonly gradients: number;
}

// A difference counts against max(1, max|reference|) of its tensor.
const TOLERANCES = {
  cpu: { outputs: 2e-5, gradients: 2e-4 },
  wasm: { outputs: 2e-5, gradients: 2e-4 },
  webgpu: { outputs: 1e-4, gradients: 1e-3 },
  webgl: { outputs: 1e-4, gradients: 1e-3 },
} satisfies Record<string, Tolerance>;

/** A tensor of ours and its reference, both in our layout. NaN in the reference: the golden does not say. */
interface Pair {
  readonly name: string;
  readonly ours: tf.Tensor;
  readonly reference: tf.Tensor;
}

type Build = (state: StateDict) => ConvertedLayer;

/**
 * Builds a golden's layer and compares all that the golden holds: outputs, gradients, attention maps and buffers after the forward at inference;
 * outputs, gradients and moving statistics in training. Leaves no tensor behind.
 *
 * @throws where the layer cannot be built or run
 */
export async function compareWithGolden(golden: Golden, fromTorch: FromTorch, backend: keyof typeof TOLERANCES): Promise<Report> {
  const built: ConvertedLayer[] = [];
  const build: Build = (state) => {
    const layer = fromTorch({ config: golden.config as never, state });
    built.push(layer);
    return layer;
  };
  const engine = tf.engine();
  engine.startScope();
  try {
    const { 'other grads': others, ...groups } = collectPairs(golden.tensors, build);
    const report = await judge(groups, TOLERANCES[backend]);
    return report.ok || others.length === 0 ? report : await judge({ ...groups, grads: others }, TOLERANCES[backend]);
  } finally {
    engine.endScope();
    for (const weight of built.flatMap((layer) => layer.weights)) weight.dispose();
  }
}

function collectPairs(tensors: StateDict, build: Build): Record<string, Pair[]> {
  const state = under('state.', tensors);
  // The adapter's map is linear: what it makes of gradients, or of statistics, given in place of the weights is their reference in our layout.
  const reference: Build = (partial) => build({ ...mapValues(state, unsaid), ...partial });
  const evaluation = step(build(state), tensors, false);
  const groups: Record<string, Pair[]> = {
    output: outputPairs('output', evaluation.outputs, tensors),
    grads: gradientPairs('grad', evaluation, tensors, reference),
    // With the vectors of spectral norms held constant: a layer has these gradients or those.
    'other grads': gradientPairs('gradsg', evaluation, tensors, reference),
    // Of a layer that has seen nothing yet, since a forward may have changed its buffers.
    attention: attentionPairs(() => build(state), tensors),
    after: bufferPairs(evaluation.layer, tensors, reference),
  };
  if (tensors['train.output']) {
    const training = step(build(state), tensors, true);
    groups['train'] = outputPairs('train.output', training.outputs, tensors);
    groups['train grads'] = gradientPairs('train.grad', training, tensors, reference);
    groups['train state'] = pairWeights('train.state', training.layer.weights.map(read), reference(under('train.state.', tensors)).weights);
  }
  return groups;
}

/** One forward and backward: the gradients of Σ output·probe. */
function step(layer: ConvertedLayer, tensors: StateDict, training: boolean) {
  const input = channelsLast(tensors['input']);
  const probes = series('probe', tensors).map(channelsLast);
  const weights = layer.trainableWeights.map(read);
  let outputs: tf.Tensor[] = [];
  const loss = (x: tf.Tensor): tf.Scalar => {
    outputs = [layer.apply(x, { training })].flat() as tf.Tensor[];
    for (const output of outputs) tf.keep(output);
    return tf.addN(outputs.map((output, i) => tf.sum<tf.Scalar>(tf.mul(output, probes[i]))));
  };
  const [inputGradient, ...weightGradients] = tf.grads(loss)([input, ...weights]);
  // Kept over the gradient, and now to go with the scope.
  for (const output of outputs) output.kept = false;
  return { layer, outputs, inputGradient, weightGradients };
}

function outputPairs(name: string, outputs: tf.Tensor[], tensors: StateDict): Pair[] {
  const references = series(name, tensors);
  if (references.length !== outputs.length) throw new Error(`the golden has ${references.length} outputs, the layer ${outputs.length}`);
  return references.map((reference, i) => ({ name: i === 0 ? name : `${name}.${i}`, ours: outputs[i], reference: channelsLast(reference) }));
}

function gradientPairs(prefix: string, { inputGradient, weightGradients }: ReturnType<typeof step>, tensors: StateDict, reference: Build): Pair[] {
  const { input, ...weights } = under(`${prefix}.`, tensors);
  return [
    ...(input ? [{ name: `${prefix}.input`, ours: inputGradient, reference: channelsLast(input) }] : []),
    ...(Object.keys(weights).length > 0 ? pairWeights(prefix, weightGradients, reference(weights).trainableWeights) : []),
  ];
}

function pairWeights(prefix: string, ours: tf.Tensor[], references: readonly LayerWeight[]): Pair[] {
  return references.map((weight, i) => ({
    name: `${prefix} ${weight.originalName.replace(/^[^/]*\//, '')}`,
    ours: ours[i],
    reference: read(weight),
  }));
}

function bufferPairs({ weights }: ConvertedLayer, tensors: StateDict, reference: Build): Pair[] {
  const buffers = Object.entries(under('after.', tensors));
  if (buffers.length === 0) return [];
  // A golden may leave out where in the module a buffer is.
  const names = Object.keys(under('state.', tensors));
  const named = buffers.map(([name, buffer]) => [names.find((full) => `.${full}`.endsWith(`.${name}`)) ?? name, buffer] as const);
  return pairWeights('after', weights.map(read), reference(Object.fromEntries(named)).weights);
}

function attentionPairs(build: () => ConvertedLayer, tensors: StateDict): Pair[] {
  const references = series('attention', tensors);
  if (references.length === 0) return [];
  const input = channelsLast(tensors['input']);
  const positions = input.shape.slice(1, -1).reduce((product, size) => product * size, 1);
  const maps = Object.entries(build().attentionMaps?.(input, { queries: Array.from({ length: positions }, (_, i) => i) }) ?? {});
  return references.map(({ shape, data }, i) => {
    const [name, ours] = maps[i] ?? [];
    if (!ours || ours.size !== data.length) {
      throw new Error(
        `the golden's attention.${i} [${shape.join(', ')}] has no counterpart: the layer's maps are ${maps.map(([key, map]) => `${key} [${map.shape.join(', ')}]`).join(', ')}`,
      );
    }
    return { name: `attention ${name}`, ours: tf.reshape(ours, [...shape]), reference: tf.tensor(data, [...shape]) };
  });
}

async function judge(groups: Record<string, Pair[]>, tolerance: Tolerance): Promise<Report> {
  const worst: Record<string, number> = {};
  let failure: string | undefined;
  for (const [group, pairs] of Object.entries(groups)) {
    if (pairs.length === 0) continue;
    worst[group] = 0;
    for (const pair of pairs) {
      const allowed = group.endsWith('grads') ? tolerance.gradients : tolerance.outputs;
      const found = await difference(pair);
      worst[group] = Math.max(worst[group], found);
      if (!(found <= allowed)) failure ??= `${pair.name} differs by ${found.toExponential(1)}, more than ${allowed.toExponential(0)}`;
    }
  }
  return { ok: failure === undefined, groups: worst, ...(failure === undefined ? {} : { failure }) };
}

/** The largest difference over max(1, max|reference|); infinite for another shape, or for NaN in our tensor. */
async function difference({ ours, reference }: Pair): Promise<number> {
  if (ours.shape.join() !== reference.shape.join()) return Number.POSITIVE_INFINITY;
  const [a, b] = await Promise.all([ours.data(), reference.data()]);
  let peak = 1;
  let gap = 0;
  for (let i = 0; i < b.length; i++) {
    if (Number.isNaN(b[i])) continue;
    peak = Math.max(peak, Math.abs(b[i]));
    const here = Math.abs(a[i] - b[i]);
    gap = Math.max(gap, Number.isNaN(here) ? Number.POSITIVE_INFINITY : here);
  }
  return gap / peak;
}

type LayerWeight = layers.Layer['weights'][number];

function read(weight: LayerWeight): tf.Tensor {
  return weight.read();
}

/** From PyTorch's N, C, …positions to N, …positions, C. */
function channelsLast({ shape, data }: StateTensor): tf.Tensor {
  const x = tf.tensor(data, [...shape]);
  return tf.transpose(x, [0, ...shape.slice(2).map((_, i) => i + 2), 1]);
}

function unsaid({ shape, data }: StateTensor): StateTensor {
  return { shape, data: new Float32Array(data.length).fill(Number.NaN) };
}

function mapValues(state: StateDict, f: (tensor: StateTensor) => StateTensor): StateDict {
  return Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, f(tensor)]));
}
