/**
 * Grad-CAM: which positions of a network's last feature map speak for a class.
 *
 * Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra. Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization.
 * ICCV 2017. https://arxiv.org/abs/1610.02391
 */
import {
  add,
  argMax,
  cast,
  equal,
  grad,
  max,
  mean,
  mul,
  relu,
  slice,
  squeeze,
  sub,
  sum,
  tidy,
  type Scalar,
  type Tensor,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { model, type LayersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { Grid } from './maps.ts';

export interface GradCam extends Grid {
  /** `[height, width]`, at least 0. */
  readonly values: Float32Array;
}

/**
 * Grad-CAM of a class, on the last feature map before the classifier: ReLU(Σ α_k A^k), where α_k is the mean over positions of the gradient
 * of the class's score with respect to channel k (equations 1 and 2).
 *
 * The score is the class's logit. Where each pixel has logits, it is their sum over the pixels at which the class is the most likely one,
 * or over all pixels where it is so nowhere (Vinogradova et al., Seg-Grad-CAM, AAAI 2020).
 *
 * @param image `[1, H, W, C]`, as the network takes it
 */
export async function gradCam(network: LayersModel, image: Tensor4D, label: number): Promise<GradCam> {
  const target = lastFeatures(network);
  const { steps, sides } = tailFrom(network, target);
  const result = tidy(() => {
    const computed = model({ inputs: network.inputs, outputs: [target, ...sides] }).apply(image);
    const [features, ...constants] = [computed].flat() as Tensor[];
    const known = sides.map(({ id }, i) => [id, constants[i]] as const);
    const logitsOf = (x: Tensor) => run(network, steps, new Map([[target.id, x], ...known]));
    const counted = pixelsOf(logitsOf(features), label);
    const score = (x: Tensor): Scalar => sum(mul(ofClass(logitsOf(x), label), counted));
    const weights = mean(grad(score)(features), [1, 2], true); // [1, 1, 1, C]
    return relu(sum(mul(features, weights), 3)); // [1, h, w]
  });
  const [, height, width] = result.shape;
  const values = (await result.data()) as Float32Array;
  result.dispose();
  return { height, width, values };
}

/** Where the class's logits count. */
function pixelsOf(logits: Tensor, label: number): Tensor | number {
  if (logits.rank === 2) return 1;
  const predicted = cast(equal(argMax(logits, -1), label), 'float32'); // [1, H, W]
  return add(predicted, sub(1, max(predicted)));
}

function ofClass(logits: Tensor, label: number): Tensor {
  const begin = logits.shape.map((_, axis) => (axis === logits.rank - 1 ? label : 0));
  const size = logits.shape.map((length, axis) => (axis === logits.rank - 1 ? 1 : length));
  const scores = slice(logits, begin, size);
  return squeeze(scores, [logits.rank - 1]);
}

/** What the classifier, the last layer with weights, sees: before pooling, where it sees a pooled map. */
function lastFeatures(network: LayersModel): SymbolicTensor {
  const classifier = network.layers.findLast(({ weights }) => weights.length > 0)!;
  let features = classifier.input as SymbolicTensor;
  while (features.rank !== 4) features = features.sourceLayer.input as SymbolicTensor;
  return features;
}

interface Tail {
  readonly steps: LayersModel['layers'];
  /** What they take besides of what is computed before the tail. */
  readonly sides: SymbolicTensor[];
}

/** The layers that depend on a tensor. A model cannot be cut at one that it computes itself, but its layers can be applied anew. */
function tailFrom(network: LayersModel, target: SymbolicTensor): Tail {
  const computed = new Set([target.id]);
  const sides = new Map<number, SymbolicTensor>();
  // A model's layers come in the order of their computation.
  const steps = network.layers.filter((layer) => {
    const inputs = [layer.input].flat();
    if (!inputs.some(({ id }) => computed.has(id)) || layer === target.sourceLayer) return false;
    for (const input of inputs) if (!computed.has(input.id)) sides.set(input.id, input);
    for (const output of [layer.output].flat()) computed.add(output.id);
    return true;
  });
  return { steps, sides: [...sides.values()] };
}

function run(network: LayersModel, steps: Tail['steps'], values: Map<number, Tensor>): Tensor {
  for (const layer of steps) {
    const inputs = [layer.input].flat().map(({ id }) => values.get(id)!);
    const outputs = [layer.apply(inputs.length === 1 ? inputs[0] : inputs)].flat() as Tensor[];
    [layer.output].flat().forEach(({ id }, i) => values.set(id, outputs[i]));
  }
  return values.get(network.outputs[0].id)!;
}
