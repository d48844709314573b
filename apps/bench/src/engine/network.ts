import { initializers, input as inputLayer, layers, model, type LayersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { BenchLayer, Slot } from '../entry.ts';
import { HostNorm } from './norm.ts';
import { seedOf } from './random.ts';

/** A block to insert, and where. */
export interface Insert {
  readonly slot: Slot;
  readonly layer: (channels: number) => BenchLayer;
}

// A ResNet (He et al. 2016) of three residual blocks, its first convolution with stride 2: an epoch of 2,000 images takes seconds on a CPU.
const STAGE_CHANNELS = [16, 32, 64];

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
    return new HostNorm({ name: `${name}_norm` }).apply(convolution.apply(x)) as SymbolicTensor;
  };
  const relu = (x: SymbolicTensor) => layers.reLU().apply(x) as SymbolicTensor;
  // Of several outputs the first is the one to predict from.
  const at = (slot: Slot, x: SymbolicTensor) => (insert?.slot === slot ? ([insert.layer(x.shape.at(-1)!).apply(x)].flat()[0] as SymbolicTensor) : x);

  const input = inputLayer({ shape: inputShape });
  let x = relu(convNorm(input, 'stem', STAGE_CHANNELS[0], 3, 2));
  STAGE_CHANNELS.forEach((filters, stage) => {
    const stride = stage === 0 ? 1 : 2;
    // A stage has one residual block here, its last. The first stage's maps are not yet ones to attend among positions of.
    if (stage > 0) x = at('stage', x);
    const inner = at('inner', relu(convNorm(x, `stage${stage}_conv0`, filters, 3, stride)));
    const second = insert?.slot === 'convolution' ? at('convolution', inner) : convNorm(inner, `stage${stage}_conv1`, filters, 3, 1);
    const branch = at('branch', second);
    const shortcut = stride === 1 ? x : convNorm(x, `stage${stage}_shortcut`, filters, 1, stride);
    x = relu(layers.add().apply([branch, shortcut]) as SymbolicTensor);
  });
  const features = layers.globalAveragePooling2d({}).apply(at('head', x)) as SymbolicTensor;
  const logits = layers.dense({ name: 'classifier', units: classes, kernelInitializer: seeded('classifier') }).apply(features) as SymbolicTensor;
  return model({ inputs: input, outputs: logits });
}
