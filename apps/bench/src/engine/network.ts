import { initializers, input as inputLayer, layers, model, type LayersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { BenchLayer, Slot } from '../entry.ts';
import { seedOf } from './random.ts';

/** A block to insert, and where. */
export interface Insert {
  readonly slot: Slot;
  readonly layer: (channels: number) => BenchLayer;
}

// A small ResNet (He et al. 2016), its first convolution with stride 2 so that it trains in seconds on a CPU.
const STAGES = [
  { channels: 16, blocks: 1 },
  { channels: 32, blocks: 2 },
  { channels: 64, blocks: 2 },
];
/** PyTorch's 0.1 in Keras's convention: fast enough to follow a training of a few hundred steps. */
const BATCH_NORM_MOMENTUM = 0.9;

/**
 * The residual network that blocks are compared in, with a block in its slots, or without any. The weights of the network itself depend
 * on the seed alone: a block more or less changes none of them.
 *
 * @param inputShape `[H, W, C]`
 * @returns a network from `[N, H, W, C]` to logits `[N, classes]`
 */
export function hostNetwork(inputShape: [number, number, number], classes: number, seed: number, insert: Insert | null): LayersModel {
  const seeded = (name: string) => initializers.heNormal({ seed: seedOf(`${seed}/${name}`) });
  const convNorm = (x: SymbolicTensor, name: string, filters: number, kernelSize: number, strides: number) => {
    const convolution = layers.conv2d({ name, filters, kernelSize, strides, padding: 'same', useBias: false, kernelInitializer: seeded(name) });
    return layers.batchNormalization({ name: `${name}_norm`, momentum: BATCH_NORM_MOMENTUM, epsilon: 1e-5 }).apply(convolution.apply(x)) as SymbolicTensor;
  };
  const relu = (x: SymbolicTensor) => layers.reLU().apply(x) as SymbolicTensor;
  const at = (slot: Slot, x: SymbolicTensor) => (insert?.slot === slot ? (insert.layer(x.shape.at(-1)!).apply(x) as SymbolicTensor) : x);

  const input = inputLayer({ shape: inputShape });
  let x = relu(convNorm(input, 'stem', STAGES[0]!.channels, 3, 2));
  STAGES.forEach(({ channels, blocks }, stage) => {
    for (let block = 0; block < blocks; block++) {
      const name = `stage${stage}_block${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      if (block > 0 && block === blocks - 1) x = at('stage', x);
      const inner = at('inner', relu(convNorm(x, `${name}_conv0`, channels, 3, stride)));
      const branch = at('branch', convNorm(inner, `${name}_conv1`, channels, 3, 1));
      const shortcut = stride === 1 ? x : convNorm(x, `${name}_shortcut`, channels, 1, stride);
      x = relu(layers.add().apply([branch, shortcut]) as SymbolicTensor);
    }
  });
  const features = layers.globalAveragePooling2d({}).apply(at('head', x)) as SymbolicTensor;
  const logits = layers.dense({ name: 'classifier', units: classes, kernelInitializer: seeded('classifier') }).apply(features) as SymbolicTensor;
  return model({ inputs: input, outputs: logits });
}
