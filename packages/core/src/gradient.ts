import {
  argMax,
  cast,
  customGrad,
  expandDims,
  getGradient,
  mul,
  range,
  relu,
  reshape,
  squaredDifference,
  sub,
  type NamedAttrMap,
  type Tensor,
} from '@tensorflow/tfjs-core';

/**
 * An operation with a gradient of its own.
 *
 * @param inputs all tensors that the gradient flows to
 * @param gradient the gradients of the inputs, in their order, from that of the result, the inputs and the result
 * @param constants tensors that `gradient` needs and no gradient flows to; it must not capture any, since they may be gone by then
 */
export function differentiable(
  inputs: Tensor[],
  forward: (...inputs: Tensor[]) => Tensor,
  gradient: (dy: Tensor, inputs: Tensor[], y: Tensor, constants: Tensor[]) => Tensor[],
  constants: Tensor[] = [],
): Tensor {
  const op = customGrad((...args) => {
    const save = args.pop() as unknown as (tensors: Tensor[]) => void;
    const value = forward(...(args as Tensor[]));
    save([value, ...(args as Tensor[]), ...constants]);
    return {
      value,
      gradFunc: (dy: Tensor, [y, ...rest]: Tensor[]) => gradient(dy, rest.slice(0, inputs.length), y, rest.slice(inputs.length)),
    };
  });
  return op(...inputs);
}

/**
 * The gradients of one of TF.js's kernels, by the names of its inputs: for operations whose own gradient is made of that.
 *
 * @param saved the tensors that the kernel's gradient asks for
 */
export function kernelGradients(kernelName: string, dy: Tensor, saved: Tensor[], attrs: object): Record<string, () => Tensor> {
  return getGradient(kernelName).gradFunc(dy, saved, attrs as NamedAttrMap);
}

/** The gradient of a maximum over `axis`: `dy` where `x` first has its maximum, 0 elsewhere. */
export function routeToMax(x: Tensor, dy: Tensor, axis: number): Tensor {
  const along = x.shape.map((size, i) => (i === axis ? size : 1));
  const distance = squaredDifference(expandDims(cast(argMax(x, axis), 'float32'), axis), reshape(range(0, x.shape[axis]), along));
  // 1 where the distance is 0, else 0. On wasm a broadcast tf.equal takes 100 times as long.
  return mul(relu(sub(1, distance)), expandDims(dy, axis));
}
