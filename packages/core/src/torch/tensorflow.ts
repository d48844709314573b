import { sizeOf } from '../shapes.js';
import type { StateTensor } from './state-dict.js';

/** A kernel in TensorFlow's layout, `[...k, inputs, filters]`, in PyTorch's, `[filters, inputs, ...k]`. */
export function kernelFromTensorFlow({ shape, data }: StateTensor): StateTensor {
  const kernel = shape.slice(0, -2);
  const [inputs, filters] = shape.slice(-2);
  const taps = sizeOf(kernel);
  // In the result, taps follow each other, then inputs.
  const source = (i: number) => ((i % taps) * inputs + (Math.floor(i / taps) % inputs)) * filters + Math.floor(i / taps / inputs);
  return { shape: [filters, inputs, ...kernel], data: data.map((_, i) => data[source(i)]) };
}
