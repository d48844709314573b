import type { BenchEntry } from '@saccade/bench/entry';
import { globalLocalAttention } from '@saccade/gala';
import { add, conv2d, matMul, mean, mul, relu, reshape, tanh, type Tensor1D, type Tensor2D, type Tensor4D } from '@tensorflow/tfjs-core';

const entries: BenchEntry[] = [
  {
    block: 'GlobalLocalAttention',
    layer: () => globalLocalAttention(),
    baseline: (weight) => {
      const dense = (name: string) => {
        const [kernel, bias] = [weight<Tensor2D>(`${name}/kernel`), weight<Tensor1D>(`${name}/bias`)];
        return (x: Tensor2D): Tensor2D => add(matMul(x, kernel), bias);
      };
      const convolution = (name: string) => {
        const kernel = weight<Tensor2D>(`${name}/kernel`);
        const [filter, bias]: [Tensor4D, Tensor1D] = [reshape(kernel, [1, 1, ...kernel.shape]), weight(`${name}/bias`)];
        return (x: Tensor4D): Tensor4D => add(conv2d(x, filter, 1, 'same'), bias);
      };
      const [globalShrink, globalExpand] = [dense('globalShrink'), dense('globalExpand')];
      const [localShrink, localCollapse] = [convolution('localShrink'), convolution('localCollapse')];
      const [a, m] = [weight('additive'), weight('multiplicative')];
      return (x) => {
        const g = reshape(globalExpand(relu(globalShrink(mean(x, [1, 2])))), [x.shape[0], 1, 1, x.shape[3]]);
        const s = localCollapse(relu(localShrink(x)));
        return mul(x, tanh(add(mul(a, add(g, s)), mul(m, mul(g, s)))));
      };
    },
    slot: 'branch',
  },
];

export default entries;
