import { sizeOf } from '../shapes.js';
import type { StateTensor } from './state-dict.js';

/** A kernel in TensorFlow's layout, `[...k, inputs, filters]`, in PyTorch's, `[filters, inputs, ...k]`. */
export function kernelFromTensorFlow({ shape, data }: StateTensor): StateTensor {
  const [kernel, inputs, filters] = [shape.slice(0, -2), shape.at(-2)!, shape.at(-1)!];
  const taps = sizeOf(kernel);
  const at = (i: number) => {
    const [filter, input, tap] = [Math.floor(i / (taps * inputs)), Math.floor(i / taps) % inputs, i % taps];
    return data[(tap * inputs + input) * filters + filter];
  };
  return { shape: [filters, inputs, ...kernel], data: Float32Array.from({ length: data.length }, (_, i) => at(i)) };
}
