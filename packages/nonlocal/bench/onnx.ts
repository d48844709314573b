import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As `_NonLocalBlockND` of the PyTorch code, embedded Gaussian, without subsampling. */
export function nonLocalGraph(g: GraphBuilder): Value {
  const [theta, phi, values] = ['theta', 'phi', 'g'].map((name) => g.flat(g.conv(g.input, name))); // [N, C', H·W]
  const f = g.softmax(g.matMul(g.transpose(theta, [0, 2, 1]), phi)); // [N, H·W, H·W]
  const y = g.transpose(g.matMul(f, g.transpose(values, [0, 2, 1])), [0, 2, 1]);
  return g.add(g.batchNorm(g.conv(g.unflat(y), 'out'), 'norm'), g.input);
}
