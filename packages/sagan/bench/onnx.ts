import { reshape, transpose, type Tensor2D } from '@tensorflow/tfjs-core';
import type { GraphBuilder, Value } from '@saccade/bench/entry';

/** As the authors' TensorFlow code, whose kernels, normed by their spectra, an export holds as constants. */
export function selfAttention2DGraph(g: GraphBuilder, normed: (kernel: Tensor2D, u: Tensor2D) => Tensor2D): Value {
  const conv = (x: Value, name: string) => {
    const kernel = g.tensor((read) => {
      const filter = normed(read(`${name}/kernel`), read(`${name}/u`));
      return reshape(transpose(filter), [...filter.shape.toReversed(), 1, 1]);
    });
    return g.op('Conv', [x, kernel], { kernel_shape: [1, 1], pads: [0, 0, 0, 0] });
  };
  const pooled = (x: Value) => g.op('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] });
  const rows = (x: Value, name: string) => g.reshape(x, [g.batch, g.shapeOf(`${name}/kernel`)[1], -1]); // [N, C', positions]
  const query = rows(conv(g.input, 'query'), 'query');
  const [key, value] = ['key', 'value'].map((name) => rows(pooled(conv(g.input, name)), name));
  const attention = g.softmax(g.matMul(g.transpose(query, [0, 2, 1]), key)); // [N, H·W, H·W/4]
  const context = g.unflat(g.matMul(value, g.transpose(attention, [0, 2, 1])));
  return g.add(g.mul(g.weight('gamma'), conv(context, 'out')), g.input);
}
