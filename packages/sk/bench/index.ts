import type { BenchEntry } from '@saccade/bench/entry';
import { plainBatchNorm } from '@saccade/bench/plain';
import { selectiveKernel } from '@saccade/sk';
import {
  addN,
  concat,
  conv2d,
  matMul,
  mean,
  mul,
  relu,
  reshape,
  softmax,
  split,
  transpose,
  unstack,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { selectiveKernelGraph } from './onnx.ts';

const GROUPS = 32;

const entries: BenchEntry[] = [
  {
    block: 'SelectiveKernel',
    layer: () => selectiveKernel({ groups: GROUPS }),
    baseline: (weight) => {
      const branches = [0, 1].map((i) => ({
        kernels: split<Tensor4D>(weight<Tensor4D>(`branch${i}/conv/kernel`), GROUPS, 3),
        norm: plainBatchNorm(weight, `branch${i}/norm`),
      }));
      const [reduce, normReduced, select] = [weight<Tensor2D>('reduce/kernel'), plainBatchNorm(weight, 'norm'), weight<Tensor2D>('select/kernel')];
      return (x) => {
        const groups = split<Tensor4D>(x, GROUPS, 3);
        const u = branches.map(({ kernels, norm }, i) => {
          // The second branch's 5×5 kernel is a dilated 3×3.
          const parts = groups.map((group, g) => conv2d(group, kernels[g], 1, 'same', 'NHWC', i + 1));
          return relu(norm(concat(parts, 3)));
        });
        const s = mean<Tensor2D>(addN(u), [1, 2]);
        const z = relu(normReduced(matMul(s, reduce)));
        const logits: Tensor3D = reshape(matMul(z, select), [x.shape[0], u.length, x.shape[3]]);
        const weights = unstack(softmax(transpose(logits, [0, 2, 1])), 2);
        return addN(u.map((features, i) => mul(features, reshape(weights[i], [x.shape[0], 1, 1, x.shape[3]]))));
      };
    },
    onnx: (g) => selectiveKernelGraph(g, GROUPS),
    slot: 'convolution',
    // The network's convolutions have one group.
    hostLayer: () => selectiveKernel({ groups: 1, minChannels: 8 }),
  },
];

export default entries;
