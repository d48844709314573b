import {
  add,
  getBackend,
  leakyRelu as nativeLeakyRelu,
  mul,
  neg,
  relu,
  relu6,
  sigmoid,
  square,
  step,
  sub,
  tanh as nativeTanh,
  tidy,
  type Tensor,
} from '@tensorflow/tfjs-core';
import { differentiable } from './gradient.js';

/** x · sigmoid(x). */
export function silu<T extends Tensor>(x: T): T {
  return tidy(() => mul(x, sigmoid(x)));
}

/** relu6(x + 3) / 6, the piecewise linear sigmoid of MobileNetV3. */
export function hardSigmoid<T extends Tensor>(x: T): T {
  return tidy(() => mul(relu6(add(x, 3)), 1 / 6));
}

/** x · relu6(x + 3) / 6, the piecewise linear SiLU of MobileNetV3. */
export function hardSwish<T extends Tensor>(x: T): T {
  return tidy(() => mul(x, hardSigmoid(x)));
}

/** The hyperbolic tangent. */
export function tanh<T extends Tensor>(x: T): T {
  if (getBackend() !== 'wasm') return nativeTanh(x);
  // XNNPACK has a sigmoid; wasm's tanh is a scalar loop that takes 15 times as long.
  return differentiable(
    [x],
    (x) => sub(mul(sigmoid(mul(x, 2)), 2), 1),
    (dy, _, y) => [mul(dy, sub(1, square(y)))],
  ) as T;
}

const SLOPE = 0.01;

/** x where it is positive, 0.01·x elsewhere. */
function leakyRelu<T extends Tensor>(x: T): T {
  return differentiable(
    [x],
    // XNNPACK has a ReLU; wasm's leaky one is a scalar loop that takes 5 times as long as all of this.
    (x) => (getBackend() === 'wasm' ? sub(relu(x), mul(relu(neg(x)), SLOPE)) : nativeLeakyRelu(x, SLOPE)),
    // TF.js's gradient selects, which takes wasm 20 times as long.
    (dy, [x]) => [mul(dy, step(x, SLOPE))],
  ) as T;
}

export const ACTIVATIONS = { relu, relu6, silu, hardSwish, leakyRelu } as const;
/** What stands between two layers of a block. `leakyRelu` has slope 0.01. */
export type Activation = keyof typeof ACTIVATIONS;

/** x, or its activation where there is one. */
export function activated<T extends Tensor>(x: T, activation: Activation | undefined): T {
  return activation ? ACTIVATIONS[activation](x) : x;
}

export const GATES = { sigmoid, hardSigmoid } as const;
/** What turns logits into a gate in [0, 1]. */
export type Gate = keyof typeof GATES;

/** A gate of its logits. */
export function gateOf<T extends Tensor>(logits: T, activation: Gate | undefined): T {
  return activation ? GATES[activation](logits) : logits;
}

/** The gradient of the logits of a gate, from that of the gate. */
export function logitsGradient(dy: Tensor, logits: Tensor, activation: Gate | undefined): Tensor {
  if (!activation) return dy;
  if (activation === 'hardSigmoid') return mul(dy, mul(mul(step(add(logits, 3)), step(sub(3, logits))), 1 / 6));
  const gate = gateOf(logits, activation);
  return mul(dy, mul(gate, sub(1, gate)));
}
