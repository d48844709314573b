import type { BenchEntry } from '@saccade/bench/entry';
import { plainConv, plainDense } from '@saccade/bench/plain';
import { globalLocalAttention } from '@saccade/gala';
import { add, mean, mul, relu, reshape, tanh } from '@tensorflow/tfjs-core';
import { globalLocalAttentionGraph } from './onnx.ts';

const entries: BenchEntry[] = [
  {
    block: 'GlobalLocalAttention',
    layer: () => globalLocalAttention(),
    baseline: (weight) => {
      const [globalShrink, globalExpand] = [plainDense(weight, 'globalShrink'), plainDense(weight, 'globalExpand')];
      const [localShrink, localCollapse] = [plainConv(weight, 'localShrink'), plainConv(weight, 'localCollapse')];
      const [a, m] = [weight('additive'), weight('multiplicative')];
      return (x) => {
        const g = reshape(globalExpand(relu(globalShrink(mean(x, [1, 2])))), [x.shape[0], 1, 1, x.shape[3]]);
        const s = localCollapse(relu(localShrink(x)));
        return mul(x, tanh(add(mul(a, add(g, s)), mul(m, mul(g, s)))));
      };
    },
    onnx: globalLocalAttentionGraph,
    slot: 'branch',
  },
];

export default entries;
