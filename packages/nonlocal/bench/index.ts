import type { BenchEntry } from '@saccade/bench/entry';
import { nonLocal } from '@saccade/nonlocal';
import {
  add,
  batchNorm,
  conv2d,
  matMul,
  reshape,
  softmax,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';

const entries: BenchEntry[] = [
  {
    block: 'NonLocal',
    layer: () => nonLocal(),
    baseline: (weight) => {
      const conv = (name: string) => {
        const kernel = weight<Tensor2D>(`${name}/kernel`);
        const bias = weight<Tensor1D>(`${name}/bias`);
        return (x: Tensor4D): Tensor4D => add(conv2d(x, reshape(kernel, [1, 1, ...kernel.shape]), 1, 'same'), bias);
      };
      const [theta, phi, g, out] = [conv('theta'), conv('phi'), conv('g'), conv('out')];
      const norm = (x: Tensor4D) =>
        batchNorm(
          x,
          weight<Tensor1D>('norm/movingMean'),
          weight<Tensor1D>('norm/movingVariance'),
          weight<Tensor1D>('norm/beta'),
          weight<Tensor1D>('norm/gamma'),
          1e-5,
        );
      return (x) => {
        const [batch, height, width] = x.shape;
        const rows = (x: Tensor): Tensor3D => reshape(x, [batch, height * width, -1]);
        const f = softmax(matMul(rows(theta(x)), rows(phi(x)), false, true)); // [N, H·W, H·W]
        const y = matMul(f, rows(g(x)));
        return add(norm(out(reshape(y, [batch, height, width, -1]))), x);
      };
    },
    shapes: [
      [1, 64, 64, 128],
      [1, 28, 28, 512],
      [1, 14, 14, 1024],
    ],
    baselineBytes: ([batch, height, width]) => 2 * 4 * batch * (height * width) ** 2,
    slot: 'stage',
  },
];

export default entries;
