import { adaptiveKernelSize, attend, reducedChannels, type Activation, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { reshape, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';

/** One way to let the channels decide on each other's gates, with its weights. */
export interface ExcitationPart {
  /** `[M, C]` to the logits of one or more gates, `[M, C]` each, whose mean is the layer's gate. */
  (s: Tensor2D): Tensor2D[];
  /** Multiply-adds over so many rows. */
  macs(rows: number): number;
}

/** What the excitations take from the layer's options. */
export interface ExcitationOptions {
  readonly reduction: number;
  readonly width: number | null;
  readonly divisor: number;
  readonly minChannels: number;
  readonly activation: Activation;
  readonly norm: 'none' | 'layer';
  readonly useBias: boolean;
  readonly kernelSize: number | null;
  readonly kernelSizes: readonly number[];
}

type Define = (weights: WeightScope, channels: number, options: ExcitationOptions, title: string) => ExcitationPart;

/** The excitations by name: each declares its weights for so many channels. */
export const EXCITATIONS = {
  bottleneck, // SE; with layer normalisation GC
  conv: (weights, channels, options) => convs(channels, [parts.channelConv(weights.at('conv'), { kernelSize: kernelSizeOf(channels, options) })]), // ECA
  multiScale: (weights, channels, { kernelSizes }) =>
    convs(
      channels,
      kernelSizes.map((kernelSize) => parts.channelConv(weights.at(`conv${kernelSize}`), { kernelSize })),
    ),
  selfAttention, // GLAM
} satisfies Record<string, Define>;

/** W₂·activation(norm(W₁·s)), with W₁ from C channels to few, W₂ back. */
function bottleneck(weights: WeightScope, channels: number, options: ExcitationOptions, title: string): ExcitationPart {
  const { activation, norm, useBias } = options;
  const width = options.width ?? reducedChannels(title, channels, options);
  // As SE starts it.
  const start = { reduce: parts.heFanOut(width), expand: parts.heFanOut(channels) };
  const part = parts.bottleneck(weights, channels, width, { activation, norm, useBias, ...start });
  return Object.assign((s: Tensor2D) => [part(s)], { macs: (rows: number) => part.macs(rows) });
}

/**
 * A gate for each convolution along the channels. The convolutions' sum in one gate would be one convolution, that of the sum of their kernels: it is
 * the gates that bring several sizes together.
 */
function convs(channels: number, list: parts.ChannelConv[]): ExcitationPart {
  return Object.assign((s: Tensor2D) => list.map((conv) => conv(s)), {
    macs: (rows: number) => rows * list.reduce((sum, conv) => sum + conv.macs(channels), 0),
  });
}

/**
 * softmax(q·kᵀ)·v over the channels, each of which has one value as query, one as key and one as value: three convolutions of s along the channels.
 * GLAM's global channel attention (Song et al. 2022) takes queries and keys so, each through a sigmoid; its values are the features themselves. A
 * linear map of each channel by itself would not do: to however many values, all scores it can make are a·s_c·s_d + b·s_d.
 */
function selfAttention(weights: WeightScope, channels: number, options: ExcitationOptions): ExcitationPart {
  const kernelSize = kernelSizeOf(channels, options);
  const [query, key, value] = ['query', 'key', 'value'].map((name) => parts.channelConv(weights.at(name), { kernelSize }));
  const apply = (s: Tensor2D): Tensor2D[] => {
    const tokens = (conv: parts.ChannelConv): Tensor3D => reshape(conv(s), [...s.shape, 1]); // [M, C, 1]
    return [reshape(attend(tokens(query), tokens(key), tokens(value)), s.shape)];
  };
  // The three convolutions, the scores, and the weighted sum.
  return Object.assign(apply, { macs: (rows: number) => rows * (3 * kernelSize * channels + 2 * channels * channels) });
}

function kernelSizeOf(channels: number, { kernelSize }: ExcitationOptions): number {
  return kernelSize ?? adaptiveKernelSize(channels);
}
