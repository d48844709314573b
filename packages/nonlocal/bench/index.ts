import type { BenchEntry } from '@saccade/bench/entry';
import { plainBatchNorm, plainConv } from '@saccade/bench/plain';
import { nonLocal } from '@saccade/nonlocal';
import { add, matMul, reshape, softmax, type Tensor, type Tensor3D } from '@tensorflow/tfjs-core';
import { nonLocalGraph } from './onnx.ts';

const entries: BenchEntry[] = [
  {
    block: 'NonLocal',
    layer: () => nonLocal(),
    baseline: (weight) => {
      const [theta, phi, g, out] = ['theta', 'phi', 'g', 'out'].map((name) => plainConv(weight, name));
      const norm = plainBatchNorm(weight, 'norm');
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
    onnx: nonLocalGraph,
    slot: 'stage',
  },
];

export default entries;
