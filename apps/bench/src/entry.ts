import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import type { layers } from '@tensorflow/tfjs-layers';
import type { GraphBuilder, Value } from './peers/graph.ts';

export type { GraphBuilder, Value } from './peers/graph.ts';

/** Sizes of a feature map, `[N, …positions, C]`. */
export type MapShape = readonly number[];

/** A layer that can be compared: any Saccade block. */
export type BenchLayer = layers.Layer & {
  /** Learned parameters, and multiply-adds on an input of a shape. */
  cost(inputShape: MapShape): { readonly params: number; readonly macs: number };
};

/**
 * Reads one of the layer's weights by its path in the block, e.g. `weight('reduce/kernel')`.
 *
 * @throws for a path that the layer does not have, naming those it has
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the entry knows the ranks of its layer's weights
export type WeightReader = <T extends Tensor = Tensor>(path: string) => T;

/**
 * Where the block's paper puts it in a residual network:
 * `branch` at the end of the residual branch, after its last batch norm and before the addition (SE, CBAM, GC) ·
 * `inner` inside the branch, after the first convolution with its batch norm and ReLU (coordinate attention) ·
 * `convolution` instead of the branch's second 3×3 convolution and its batch norm (selective kernels, self-calibrated convolutions) ·
 * `stage` before the last residual block of a stage (non-local) ·
 * `head` on the last features, before pooling (criss-cross).
 */
export type Slot = 'branch' | 'inner' | 'convolution' | 'stage' | 'head';

/** What the benchmark has to know of a block. A package's `bench/index.ts` default-exports a list of these. */
export interface BenchEntry {
  /** The name in tables and after `--blocks`, unique in the benchmark: the class's name. */
  readonly block: string;
  /** The layer with the paper's defaults, for so many channels. */
  readonly layer: (channels: number) => BenchLayer;
  /**
   * The same block in plain tf ops, the way its PyTorch code reads: what a good engineer writes who has not measured. It may read its
   * weights once, outside of the function that it returns; all that depends on `x` belongs inside. It returns all outputs that the layer has.
   */
  readonly baseline: (weight: WeightReader, layer: BenchLayer) => (x: Tensor4D) => Tensor | Tensor[];
  /**
   * The same block as an ONNX graph, the way a good export of its PyTorch code has it, for the comparison with other libraries. It returns the
   * block's output, `[N, C, H, W]`.
   */
  readonly onnx?: (graph: GraphBuilder, layer: BenchLayer) => Value;
  /** The maps that it is timed at. Default: {@link DEFAULT_SHAPES}. */
  readonly shapes?: readonly MapShape[];
  /** The most bytes that the baseline holds at once at a shape, where that can be a lot; it is not run where it cannot fit. */
  readonly baselineBytes?: (shape: MapShape) => number;
  /**
   * How far the output may be from the baseline's, as a fraction of the largest value: more where rounding grows, as in a softmax of the large
   * logits that random weights make. Default: 1e-4.
   */
  readonly tolerance?: number;
  /** Where it stands in the network that accuracy is measured with. */
  readonly slot: Slot;
  /** The layer in that network, whose maps have 16 to 64 channels. Default: `layer`. */
  readonly hostLayer?: (channels: number) => BenchLayer;
}

/** Early, middle and late maps of a ResNet-50 at 224×224 pixels, one image each. */
export const DEFAULT_SHAPES: readonly MapShape[] = [
  [1, 56, 56, 256],
  [1, 28, 28, 512],
  [1, 14, 14, 1024],
];
