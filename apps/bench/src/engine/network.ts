import { initializers, input as inputLayer, layers, model, type LayersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { BenchLayer, Slot } from '../entry.ts';
import type { TaskName } from '../tasks/names.ts';
import { tasks, type ImageFormat } from '../tasks/tasks.ts';
import { HostNorm } from './norm.ts';
import { randomFrom, seedOf, withRandom, type Random } from './random.ts';
import { Upsample } from './upsample.ts';

/** A block to insert, and where. */
export interface Insert {
  readonly slot: Slot;
  readonly layer: (channels: number) => BenchLayer;
}

// A ResNet (He et al. 2016) of three residual blocks, its first convolution with stride 2: an epoch of 2,000 images takes seconds on a CPU.
const STAGE_CHANNELS = [16, 32, 64];
/** Of each stage, by that of the whole: the first convolution has a stride of 2. */
const STAGE_STRIDES = { 4: [1, 2, 1], 8: [1, 2, 2] } as const;
type Stride = keyof typeof STAGE_STRIDES;

type Size = readonly [height: number, width: number, channels: number];

/**
 * The network that a task is learned with, before training, with a block in its slots or none. The weights of the network itself depend on the
 * seed alone: a block more or less changes none of them.
 *
 * @param images the form of the images that the task is made from
 * @param random what blocks draw their initial weights from, instead of `Math.random`
 */
export function networkOf(task: TaskName, images: ImageFormat, seed: number, insert: Insert | null, random = blockRandom(seed)): LayersModel {
  const { height, width, channels, classes } = tasks[task].format(images);
  const { dense, stride } = tasks[task];
  const network = dense ? denseNetwork : hostNetwork;
  return withRandom(random, () => network([height, width, channels], classes, stride, seed, insert));
}

/** What blocks draw from in a training: TensorFlow.js's generators, for initial weights and dropout, are seeded by `Math.random`. */
export function blockRandom(seed: number): Random {
  return randomFrom(`${seed}/block`);
}

/**
 * The residual stages, global pooling and a classifier.
 *
 * @returns a network from `[N, H, W, C]` to logits `[N, classes]`
 */
function hostNetwork(size: Size, classes: number, stride: Stride, seed: number, insert: Insert | null): LayersModel {
  const { input, features } = residualStages(size, STAGE_STRIDES[stride], seed, insert);
  const pooled = layers.globalAveragePooling2d({}).apply(features) as SymbolicTensor;
  const logits = layers.dense({ name: 'classifier', units: classes, kernelInitializer: seeded(seed, 'classifier') }).apply(pooled);
  return model({ inputs: input, outputs: logits as SymbolicTensor });
}

/**
 * The residual stages, a classifier of each of their positions, and bilinear interpolation of its logits.
 *
 * @returns a network from `[N, H, W, C]` to logits `[N, H, W, classes]`
 */
function denseNetwork(size: Size, classes: number, stride: Stride, seed: number, insert: Insert | null): LayersModel {
  const { input, features } = residualStages(size, STAGE_STRIDES[stride], seed, insert);
  const classifier = layers.conv2d({ name: 'classifier', filters: classes, kernelSize: 1, kernelInitializer: seeded(seed, 'classifier') });
  const [height, width] = size;
  const logits = new Upsample({ name: 'upsample', height, width }).apply(classifier.apply(features));
  return model({ inputs: input, outputs: logits as SymbolicTensor });
}

function residualStages(size: Size, strides: readonly number[], seed: number, insert: Insert | null) {
  const convNorm = (x: SymbolicTensor, name: string, filters: number, kernelSize: number, strides: number) => {
    const kernelInitializer = seeded(seed, name);
    const convolution = layers.conv2d({ name, filters, kernelSize, strides, padding: 'same', useBias: false, kernelInitializer });
    return new HostNorm({ name: `${name}_norm` }).apply(convolution.apply(x)) as SymbolicTensor;
  };
  const relu = (x: SymbolicTensor) => layers.reLU().apply(x) as SymbolicTensor;
  // Of several outputs the first is the one to predict from.
  const at = (slot: Slot, x: SymbolicTensor) => (insert?.slot === slot ? ([insert.layer(x.shape.at(-1)!).apply(x)].flat()[0] as SymbolicTensor) : x);

  const input = inputLayer({ shape: [...size] });
  let x = relu(convNorm(input, 'stem', STAGE_CHANNELS[0], 3, 2));
  STAGE_CHANNELS.forEach((filters, stage) => {
    // A stage has one residual block here, its last. The first stage's maps are not yet ones to attend among positions of.
    if (stage > 0) x = at('stage', x);
    const inner = at('inner', relu(convNorm(x, `stage${stage}_conv0`, filters, 3, strides[stage])));
    const second = insert?.slot === 'convolution' ? at('convolution', inner) : convNorm(inner, `stage${stage}_conv1`, filters, 3, 1);
    const branch = at('branch', second);
    const shortcut = stage === 0 ? x : convNorm(x, `stage${stage}_shortcut`, filters, 1, strides[stage]);
    x = relu(layers.add().apply([branch, shortcut]) as SymbolicTensor);
  });
  return { input, features: at('head', x) };
}

function seeded(seed: number, name: string) {
  return initializers.heNormal({ seed: seedOf(`${seed}/${name}`) });
}
