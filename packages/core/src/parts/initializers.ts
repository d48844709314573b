import { initializers } from '@tensorflow/tfjs-layers';

export type Initializer = ReturnType<typeof initializers.zeros>;

/** PyTorch's default for linear and convolution layers, kernel and bias alike: uniform in ±1/√fanIn. */
export function pytorchUniform(fanIn: number): Initializer {
  const limit = 1 / Math.sqrt(fanIn);
  return initializers.randomUniform({ minval: -limit, maxval: limit });
}

/** Normal with standard deviation √(2/fan) (He et al. 2015). */
export function heNormal(fan: number): Initializer {
  return initializers.randomNormal({ mean: 0, stddev: Math.sqrt(2 / fan) });
}
