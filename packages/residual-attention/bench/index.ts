import type { BenchEntry } from '@saccade/bench/entry';
import { plainBatchNorm, plainConv } from '@saccade/bench/plain';
import { residualAttentionModule } from '@saccade/residual-attention';
import { add, image, maxPool, mul, relu, sigmoid, type Tensor4D } from '@tensorflow/tfjs-core';
import { residualAttentionModuleGraph } from './onnx.ts';

// The paper's stages: 56×56 maps of 256 channels, 28×28 of 512, 14×14 of 1024.
const depthFor = (channels: number) => (channels <= 256 ? 3 : channels <= 512 ? 2 : 1);

const entries: BenchEntry[] = [
  {
    block: 'ResidualAttentionModule',
    layer: (channels) => residualAttentionModule({ depth: depthFor(channels) }),
    baseline: (weight, layer) => {
      const { depth } = layer.getConfig() as { depth: number };
      const conv = (name: string) => plainConv(weight, name, { useBias: false });
      const normRelu = (name: string) => {
        const norm = plainBatchNorm(weight, name);
        return (x: Tensor4D) => relu(norm(x));
      };
      const unit = (name: string) => {
        const [norm1, norm2, norm3] = [normRelu(`${name}/norm1`), normRelu(`${name}/norm2`), normRelu(`${name}/norm3`)];
        const [reduce, conv3x3, expand] = [conv(`${name}/reduce`), conv(`${name}/conv`), conv(`${name}/expand`)];
        return (x: Tensor4D) => add<Tensor4D>(expand(norm3(conv3x3(norm2(reduce(norm1(x)))))), x);
      };
      const [first, trunk0, trunk1, last] = [unit('first'), unit('trunk0'), unit('trunk1'), unit('last')];
      const levels = Array.from({ length: depth }, (_, i) => {
        const name = `hourglass/${'inner/'.repeat(i)}`;
        return { down: unit(`${name}down`), up: unit(`${name}up`), skip: i + 1 < depth ? unit(`${name}skip`) : null };
      });
      const [norm1, conv1, norm2, conv2] = [normRelu('norm1'), conv('conv1'), normRelu('norm2'), conv('conv2')];
      const pool = (x: Tensor4D) => maxPool(x, 3, 2, 'same'); // of an even size, what Caffe does
      const resize = (x: Tensor4D, like: Tensor4D) => image.resizeBilinear(x, [like.shape[1], like.shape[2]], true);

      return (x) => {
        const shared = first(x);
        const trunk = trunk1(trunk0(shared));
        const maps = [shared];
        for (const { down } of levels) maps.push(down(pool(maps.at(-1)!)));
        let h = maps[depth];
        for (let level = depth - 1; level >= 0; level--) {
          h = resize(levels[level].up(h), maps[level]);
          const skip = level > 0 ? levels[level - 1].skip : null;
          if (skip) h = add(h, skip(maps[level]));
        }
        const mask = sigmoid(conv2(norm2(conv1(norm1(h)))));
        return last(mul(add(mask, 1), trunk));
      };
    },
    onnx: (g) => residualAttentionModuleGraph(g, depthFor(g.channels)),
    slot: 'stage',
    hostLayer: () => residualAttentionModule({ depth: 1 }),
  },
];

export default entries;
