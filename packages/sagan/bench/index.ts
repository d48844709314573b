import type { BenchEntry } from '@saccade/bench/entry';
import { plainConv } from '@saccade/bench/plain';
import { selfAttention2D } from '@saccade/sagan';
import {
  add,
  conv2d,
  div,
  matMul,
  maxPool,
  mul,
  norm,
  reshape,
  softmax,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from '@tensorflow/tfjs-core';
import { selfAttention2DGraph } from './onnx.ts';

/** The authors' `spectral_normed_weight`, one iteration. */
function spectralNormed(w: Tensor2D, u: Tensor2D): Tensor2D {
  const unit = (x: Tensor2D): Tensor2D => div(x, add(norm(x), 1e-12));
  const v = unit(matMul(u, w, true, true)); // [1, rows]
  const next = unit(matMul(v, w));
  return div(w, matMul(matMul(v, w), next, false, true));
}

const entries: BenchEntry[] = [
  {
    block: 'SelfAttention2D',
    layer: () => selfAttention2D(),
    baseline: (weight, layer) => {
      const official = layer.getConfig()['form'] === 'tensorflow';
      const conv = (name: string) => {
        if (!official) return plainConv(weight, name);
        const [kernel, u] = [weight<Tensor2D>(`${name}/kernel`), weight<Tensor2D>(`${name}/u`)];
        return (x: Tensor4D): Tensor4D => conv2d(x, reshape(spectralNormed(kernel, u), [1, 1, ...kernel.shape]), 1, 'same');
      };
      const [query, key, value, gamma] = [conv('query'), conv('key'), conv('value'), weight('gamma')];
      const out = official ? conv('out') : (x: Tensor4D) => x;
      const pool = (x: Tensor4D) => (official ? maxPool(x, 2, 2, 'valid') : x);
      return (x) => {
        const [batch, height, width] = x.shape;
        const rows = (x: Tensor): Tensor3D => reshape(x, [batch, -1, x.shape[3]!]);
        const attention = softmax(matMul(rows(query(x)), rows(pool(key(x))), false, true)); // [N, H·W, H·W/4]
        const context = matMul(attention, rows(pool(value(x))));
        return add(mul(out(reshape(context, [batch, height, width, -1])), gamma), x);
      };
    },
    shapes: [
      [1, 64, 64, 128],
      [1, 32, 32, 256],
      [1, 14, 14, 1024],
    ],
    baselineBytes: ([batch, height, width]) => (2 * 4 * batch * (height * width) ** 2) / 4,
    onnx: (g) => selfAttention2DGraph(g, spectralNormed),
    slot: 'stage',
    // The network's maps become odd.
    hostLayer: () => selfAttention2D({ form: 'pytorch' }),
  },
];

export default entries;
