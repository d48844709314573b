import { mul, reshape, sigmoid, square, sub, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { tanh } from './activations.js';
import { BlockError, showShape } from './errors.js';
import { scale } from './gating.js';
import { differentiable } from './gradient.js';
import { jointGradients, jointLogits, namedTerms, type ChannelTerms, type Terms } from './joint-logits.js';
import { fusedJointGradient, fusedScaleJointly, type JointRule } from './kernels/scale-jointly.js';
import { channelsOf, positionsOf, rowsOf } from './shapes.js';
import { slice } from './slice.js';

export interface JointOptions {
  /** What makes the gate of its logits. Default: `sigmoid`. */
  activation?: 'sigmoid' | 'tanh' | undefined;
  /** Whether 1 is added, so that what the gate lets through comes on top of the map. Default: false. */
  residual?: boolean | undefined;
}

const ACTIVATIONS = { sigmoid, tanh } as const;

/**
 * Scales a feature map by a gate whose logits join an attention over positions and one over channels: x · σ(factor·spatial + offset), or with
 * `residual` x · (1 + σ(…)). On wasm and webgpu the gate, which is as large as the map, is never in memory.
 *
 * @param x `[N, …positions, C]`
 * @param spatial `[N, …positions]`
 * @returns a map of x's shape
 * @throws {@link BlockError} where spatial or a term does not fit the map
 */
export function scaleJointly<T extends Tensor>(x: T, spatial: Tensor, terms: ChannelTerms, options: JointOptions = {}): T {
  checkFit(x, spatial, terms);
  const rule: JointRule = { activation: options.activation ?? 'sigmoid', residual: options.residual ?? false };
  // As operations of their own, the gradient has their results.
  if (!fusedScaleJointly.isAvailable()) return tidy(() => composed({ x, spatial, ...terms }, rule)) as T;
  const { factor, offset } = terms;
  const named = ([x, spatial, ...terms]: Tensor[]) => ({ x, spatial, ...namedTerms(terms, factor !== undefined) });
  return differentiable(
    [x, spatial, factor, offset].filter((input) => input !== undefined),
    (...inputs) => scaled(named(inputs), rule),
    (dy, inputs) => {
      const all = fusedJointGradient({ dy, ...named(inputs) }, rule);
      return all ? split(all, inputs) : gradientsOf(dy, named(inputs), rule);
    },
  ) as T;
}

/** Of both terms, those that there are. */
type Joint = { readonly x: Tensor; readonly spatial: Tensor } & Terms;

function scaled(joint: Joint, rule: JointRule): Tensor {
  return fusedScaleJointly(joint, rule) ?? composed(joint, rule);
}

function composed({ x, spatial, ...terms }: Joint, { activation, residual }: JointRule): Tensor {
  return scale(x, ACTIVATIONS[activation](jointLogits(spatial, terms as ChannelTerms)), { residual });
}

/** One behind the other, `[all their values]`, to tensors of the inputs' shapes. */
function split(all: Tensor, inputs: Tensor[]): Tensor[] {
  let next = 0;
  return inputs.map(({ shape, size }) => {
    const values = slice(all, [next], [size]);
    next += size;
    return reshape(values, shape);
  });
}

function gradientsOf(dy: Tensor, { x, spatial, ...terms }: Joint, rule: JointRule): Tensor[] {
  const gate = ACTIVATIONS[rule.activation](jointLogits(spatial, terms as ChannelTerms));
  const slope = rule.activation === 'tanh' ? sub(1, square(gate)) : mul(gate, sub(1, gate));
  const rows = reshape(spatial, [spatial.shape[0], positionsOf(x)]);
  const [dSpatial, ...dTerms] = jointGradients(rowsOf(mul(mul(dy, x), slope)), rows, terms);
  return [scaled({ x: dy, spatial, ...terms }, rule), reshape(dSpatial, spatial.shape), ...dTerms];
}

function checkFit(x: Tensor, spatial: Tensor, { factor, offset }: ChannelTerms): void {
  const fits = (tensor: Tensor, shape: number[]) => showShape(tensor.shape) === showShape(shape);
  if (!fits(spatial, x.shape.slice(0, -1))) {
    throw new BlockError(
      `scaleJointly: attention over positions of shape ${showShape(spatial.shape)} does not fit a map of shape ${showShape(x.shape)}. ` +
        'Give [N, …positions].',
    );
  }
  for (const term of [factor, offset]) {
    if (!term || fits(term, [x.shape[0], channelsOf(x)])) continue;
    throw new BlockError(
      `scaleJointly: a channel's term of shape ${showShape(term.shape)} does not fit a map of shape ${showShape(x.shape)}. Give [N, C].`,
    );
  }
}
