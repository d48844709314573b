import { add, concat, getBackend, mul, reshape, sum, tidy, type Tensor, type Tensor3D, type Tensor4D } from '@tensorflow/tfjs-core';
import { gateOf, logitsGradient, type Gate } from './activations.js';
import { BlockError, showShape } from './errors.js';
import { differentiable } from './gradient.js';
import { alignedShape } from './kernels/scale-layout.js';
import { fusedScaleByStrips } from './kernels/scale-strips.js';
import { fusedGateGradient, fusedScale, type GateRule } from './kernels/scale.js';
import { channelAvgPool } from './pooling/channel.js';
import { globalAvgPool } from './pooling/global.js';
import { stripAvgPool } from './pooling/strip.js';
import { channelsOf, positionsOf } from './shapes.js';
import { slice } from './slice.js';

export interface ScaleOptions {
  /** What makes the gates of their logits. Default: none, they are the gates. */
  activation?: Gate | undefined;
  /** What several gates are joined to. Default: `product`. */
  join?: 'product' | 'mean' | undefined;
  /** Whether 1 is added, so that what the gates let through comes on top of the map. Default: false. */
  residual?: boolean | undefined;
}

/**
 * Scales a feature map by one gate or by several: x · gate, x · mean(gates), or with `residual` x · (1 + gate). On wasm and webgpu that is one
 * pass over the map. It applies the activation, too: better give it here than apply it before.
 *
 * @param x `[N, …positions, C]`
 * @param gates each `[N, C]` (a factor a channel), `[N, …positions]` (a factor a position), or of x's rank and broadcastable to it, such as
 *   `[N, H, 1, C]` (a factor a row and channel). A gate of rank 2 is always one a channel.
 * @returns a map of x's shape
 * @throws {@link BlockError} where there is no gate, or one does not broadcast to `x`
 */
export function scale<T extends Tensor>(x: T, gates: Tensor | readonly Tensor[], { activation, join, residual }: ScaleOptions = {}): T {
  const all = Array.isArray(gates) ? (gates as Tensor[]) : [gates as Tensor];
  if (all.length === 0) throw new BlockError('scale: there is no gate. Give one or more.');
  for (const gate of all) checkFit(x, gate);
  // As an operation of its own, the gradient has its result. To compute it again would take longer than to read it.
  const isMap = all.length === 1 && all[0].size === x.size && getBackend() !== 'webgpu';
  if (isMap && activation) return tidy(() => scale(x, gateOf(all[0], activation), { residual }));
  const rule: GateRule = { activation, mean: join === 'mean' && all.length > 1, residual };
  return differentiable(
    [x, ...all],
    (x, ...gates) => scaled(x, gates, rule),
    (dy, [x, ...gates]) => [scaled(dy, gates, rule), ...gateGradients(gates, dy, x, rule)],
  ) as T;
}

/**
 * Scales a feature map by a gate for each row and one for each column, joined as `stripPools` joins them.
 *
 * @param x `[N, H, W, C]`
 * @param strips `[N, H + W, C]`, first those of the rows
 * @param activation what makes the gates of their logits. Default: none, they are the gates.
 * @returns a map of x's shape
 * @throws {@link BlockError} where the strips do not fit the map
 */
export function scaleByStrips(x: Tensor4D, strips: Tensor3D, activation?: Gate): Tensor4D {
  const [images, height, width, channels] = x.shape;
  if (showShape(strips.shape) !== showShape([images, height + width, channels])) {
    throw new BlockError(
      `scaleByStrips: strips of shape ${showShape(strips.shape)} do not fit a map of shape ${showShape(x.shape)}. Give [N, H + W, C].`,
    );
  }
  const rule: GateRule = { activation };
  const cut = (strips: Tensor): Tensor[] => [
    reshape(slice(strips, [0, 0, 0], [images, height, channels]), [images, height, 1, channels]),
    reshape(slice(strips, [0, height, 0], [images, width, channels]), [images, 1, width, channels]),
  ];
  const byStrips = (x: Tensor, strips: Tensor): Tensor => fusedScaleByStrips({ x, strips }, rule) ?? scaled(x, cut(strips), rule);
  return differentiable([x, strips], byStrips, (dy, [x, strips]) => {
    const [ofRows, ofColumns] = gateGradients(cut(strips), dy, x, rule);
    const joined = concat([reshape(ofRows, [images, height, channels]), reshape(ofColumns, [images, width, channels])], 1);
    return [byStrips(dy, strips), joined];
  }) as Tensor4D;
}

function scaled(x: Tensor, gates: Tensor[], rule: GateRule): Tensor {
  const fused = gates.length <= MOST ? fusedScale({ x, ...named(gates) }, rule) : undefined;
  if (fused) return fused;
  const { activation, mean, residual } = rule;
  const values = gates.map((gate) => aligned(gateOf(gate, activation), x));
  if (mean) {
    const all = mul(
      values.reduce((a, b) => add(a, b)),
      1 / gates.length,
    );
    return mul(x, residual ? add(all, 1) : all);
  }
  if (residual && gates.length === 1) return mul(x, add(values[0], 1));
  const product = values.reduce((x, gate) => mul(x, gate), x);
  return residual ? add(product, x) : product;
}

/** The gradients of gates, from that of what they scale x to. */
export function gateGradients(gates: Tensor[], dy: Tensor, x: Tensor, rule: GateRule): Tensor[] {
  const { activation, mean } = rule;
  let product: Tensor | undefined;
  return gates.map((gate, of) => {
    const fused = gates.length <= MOST ? fusedGateGradient({ dy, x, ...named(gates) }, { ...rule, of }) : undefined;
    if (fused) return fused;
    product ??= mul(dy, x);
    const others = mean ? [] : gates.filter((_, i) => i !== of).map((other) => aligned(gateOf(other, activation), x));
    const share = sumTo(
      aligned(gate, x).shape,
      others.reduce((product, other) => mul(product, other), product),
    );
    return logitsGradient(reshape(mean ? mul(share, 1 / gates.length) : share, gate.shape), gate, activation);
  });
}

// So many gates the kernels take.
const MOST = 3;

function named([first, second, third]: Tensor[]): { first: Tensor; second: Tensor | undefined; third: Tensor | undefined } {
  return { first, second, third };
}

function checkFit(x: Tensor, gate: Tensor): void {
  const shape = alignedShape(x.shape, gate.shape);
  if (shape.length !== x.rank || shape.some((size, i) => size !== 1 && size !== x.shape[i])) {
    throw new BlockError(
      `scale: a gate of shape ${showShape(gate.shape)} does not fit a map of shape ${showShape(x.shape)}. ` +
        'Give [N, C], [N, …positions], or a shape of the same rank with 1 where the gate is shared.',
    );
  }
}

function aligned(gate: Tensor, x: Tensor): Tensor {
  return gate.rank === x.rank ? gate : reshape(gate, [...alignedShape(x.shape, gate.shape)]);
}

// The gradient of a broadcast tf.mul sums with transposes; pooling does not.
function sumTo(shape: number[], x: Tensor): Tensor {
  const shared = shape.flatMap((size, axis) => (size === 1 && x.shape[axis] > 1 ? [axis] : []));
  const last = x.rank - 1;
  if (shared.length === 0) return x;
  if (shared.every((axis) => axis > 0 && axis < last) && shared.length === x.shape.slice(1, -1).filter((size) => size > 1).length) {
    return reshape(mul(globalAvgPool(x), positionsOf(x)), shape);
  }
  if (shared.length === 1 && shared[0] === last) return reshape(mul(channelAvgPool(x), channelsOf(x)), shape);
  if (shared.length === 1 && x.rank === 4 && shared[0] !== 0) {
    return reshape(mul(stripAvgPool(x as Tensor4D, shared[0] === 1 ? 'height' : 'width'), x.shape[shared[0]]), shape);
  }
  return sum(x, shared, true);
}
