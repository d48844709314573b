import { CoordinateAttention, coordinateAttention } from '@saccade/coord';
import { input, layers, model, type LayersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';

type Layer = LayersModel['layers'][number];

/** Height and width of the pictures. */
export const SIDE = 48;

/** The depthwise separable convolutions: the stage that each is of, its filters, and its stride. */
const CONVOLUTIONS = [
  { stage: 1, filters: 32, strides: 1 },
  { stage: 2, filters: 64, strides: 2 },
  { stage: 2, filters: 64, strides: 1 },
  { stage: 3, filters: 128, strides: 2 },
  { stage: 3, filters: 128, strides: 1 },
] as const;

/**
 * A small MobileNet (Howard et al. 2017, https://arxiv.org/abs/1704.04861): a convolution, then depthwise separable ones in three stages.
 *
 * From pictures `[N, 48, 48, 3]` of −1 to 1 to probabilities `[N, classes]`.
 */
export function mobileNet(classes: number): LayersModel {
  const stem = normed(layers.conv2d({ name: 'stem', filters: 16, kernelSize: 3, strides: 2, ...PLAIN }));
  const stages = CONVOLUTIONS.flatMap(({ stage, filters, strides }, i) => [
    normed(layers.depthwiseConv2d({ name: `stage${stage}_depthwise${i}`, kernelSize: 3, strides, ...PLAIN })),
    normed(layers.conv2d({ name: `stage${stage}_pointwise${i}`, filters, kernelSize: 1, ...PLAIN })),
  ]);
  return chain([...stem, ...stages.flat(), ...head(classes)]);
}

/**
 * A trained {@link mobileNet} for other classes: its stages, each now followed by coordinate attention, and a new classifier. Attention and
 * classifier start at random. The stages are shared: training the result changes `trained`.
 */
export function withCoordinateAttention(trained: LayersModel, classes: number): LayersModel {
  const kept = trained.layers.filter((layer) => /^(stem|stage)/.test(layer.name));
  const endsStage = (layer: Layer, next: Layer | undefined) => stageOf(layer) !== 'stem' && (!next || stageOf(layer) !== stageOf(next));
  const attentive = kept.flatMap((layer, i) => (endsStage(layer, kept[i + 1]) ? [layer, coordinateAttention({ reduction: 8 })] : [layer]));
  return chain([...attentive, ...head(classes)]);
}

/** What attention adds to a network, for people. */
export function describe(model: LayersModel): string {
  const attention = model.layers.filter((layer) => layer instanceof CoordinateAttention);
  const parameters = attention.reduce((sum, layer) => sum + layer.countParams(), 0);
  return `${attention.length} coordinate attentions have ${parameters} of the network's ${model.countParams()} parameters.`;
}

const PLAIN = { padding: 'same', useBias: false, kernelInitializer: 'heNormal', depthwiseInitializer: 'heNormal' } as const;

/** A convolution with batch norm and ReLU6 behind it. */
function normed(convolution: Layer): Layer[] {
  const { name } = convolution;
  // A short memory: fine-tuning takes a few dozen steps.
  return [convolution, layers.batchNormalization({ name: `${name}_norm`, momentum: 0.9 }), layers.reLU({ name: `${name}_relu`, maxValue: 6 })];
}

function head(classes: number): Layer[] {
  return [layers.globalAveragePooling2d({}), layers.dense({ units: classes, activation: 'softmax' })];
}

function stageOf(layer: Layer): string {
  return layer.name.split('_')[0];
}

function chain(layers: readonly Layer[]): LayersModel {
  const picture = input({ shape: [SIDE, SIDE, 3] });
  const output = layers.reduce((x, layer) => layer.apply(x) as SymbolicTensor, picture);
  return model({ inputs: picture, outputs: output });
}
