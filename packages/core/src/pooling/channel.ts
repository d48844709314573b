import {
  add,
  div,
  expandDims,
  getBackend,
  max,
  mean,
  mul,
  reshape,
  stack,
  unstack,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { gateOf, logitsGradient, type Gate } from '../activations.js';
import { BlockError, showShape } from '../errors.js';
import { differentiable, routeToMax } from '../gradient.js';
import { fusedChannelPools } from '../kernels/channel-pools.js';
import type { PoolKind } from '../kernels/pool.js';
import { channelsOf, rowsOf, spread } from '../shapes.js';
import { sumOfProducts } from './global.js';
import { checkKinds, POOLS } from './pool.js';

/**
 * The mean of the channels at each position.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, …positions]`
 */
export function channelAvgPool(x: Tensor): Tensor {
  return channelPool('avg', x);
}

/**
 * The largest channel at each position. Its gradient goes to the first channel that holds it.
 *
 * @param x `[N, …positions, C]`
 * @returns `[N, …positions]`
 */
export function channelMaxPool(x: Tensor): Tensor {
  return channelPool('max', x);
}

/**
 * The mean and the maximum of the channels at each position, or one of them, in one pass over the map: of x, or of what a gate a channel lets
 * through of it, x · gate, which is then never written.
 *
 * @param x `[N, …positions, C]`
 * @param kinds which, in the order in which they shall come
 * @param gate `[N, C]`, or none
 * @param activation what makes the gate of its logits. Default: none, it is the gate.
 * @returns `[kinds, N, …positions]`
 * @throws {@link BlockError} where there is no kind, or one twice, or the gate is not of x's images and channels
 */
export function channelPools(x: Tensor, kinds: readonly PoolKind[], gate?: Tensor2D, activation?: Gate): Tensor {
  checkKinds('channelPools', kinds);
  const expected = [x.shape[0], channelsOf(x)];
  if (gate && gate.shape.join() !== expected.join()) {
    throw new BlockError(
      `channelPools: a gate of shape ${showShape(gate.shape)} does not fit a map of shape ${showShape(x.shape)}. Give ${showShape(expected)}.`,
    );
  }
  const shape = [kinds.length, ...x.shape.slice(0, -1)];
  const gradient = (dy: Tensor, x: Tensor) =>
    unstack(dy)
      .map((dy, i) => GRADIENTS[kinds[i]](dy, x))
      .reduce((sum, dx) => add(sum, dx));
  return differentiable(
    gate ? [x, gate] : [x],
    (x, gate?: Tensor) => {
      const fused = fusedChannelPools({ x, gate: gate as Tensor2D | undefined }, { kinds, shape, activation });
      if (fused) return fused;
      // Not every backend's kernel makes the gate of its logits.
      if (gate && activation) return channelPools(x, kinds, gateOf(gate as Tensor2D, activation));
      const seen = gate ? gated(x, gate) : x;
      return stack(kinds.map((kind) => composed(kind, seen)));
    },
    (dy, [x, gate]) => {
      if (!gate) return [gradient(dy, x)];
      const open = gateOf(gate, activation);
      const each = gradient(dy, gated(x, open));
      return [gated(each, open), logitsGradient(sumOfProducts(each, x), gate, activation)];
    },
  );
}

function channelPool(kind: PoolKind, x: Tensor): Tensor {
  return differentiable(
    [x],
    (x) => fusedChannelPools({ x, gate: undefined }, { kinds: [kind], shape: x.shape.slice(0, -1) }) ?? composed(kind, x),
    (dy, [x]) => [GRADIENTS[kind](dy, x)],
  );
}

const GRADIENTS: Record<PoolKind, (dy: Tensor, x: Tensor) => Tensor> = {
  avg: (dy, x) => spread(expandDims(div(dy, channelsOf(x)), -1), x),
  max: (dy, x) => routeToMax(x, dy, x.rank - 1),
};

// x · gate
function gated(x: Tensor, gate: Tensor): Tensor {
  return reshape(mul(rowsOf(x), expandDims(gate, 1)), x.shape);
}

function composed(kind: PoolKind, x: Tensor): Tensor {
  return kind === 'avg' ? mean(fold(x, kind), -1) : max(fold(x, kind), -1);
}

// On wasm a reduction of the innermost axis is a scalar loop. Seen as C/k columns of k channels, a pooling window
// reduces k channels at a time with SIMD, and the loop is left with k values a position.
function fold(x: Tensor, kind: PoolKind): Tensor {
  const channels = channelsOf(x);
  const lanes = [16, 8, 32, 4].find((k) => channels % k === 0 && channels > k);
  if (getBackend() !== 'wasm' || lanes === undefined) return x;
  const columns = channels / lanes;
  const map: Tensor4D = reshape(x, [1, -1, columns, lanes]);
  const folded = POOLS[kind](map, [1, columns], [1, 1], 'valid');
  return reshape(folded, [...x.shape.slice(0, -1), lanes]);
}
