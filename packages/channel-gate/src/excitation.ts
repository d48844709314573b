import { adaptiveKernelSize, attend, reducedChannels, type Activation, type WeightScope } from '@saccade/core';
import * as parts from '@saccade/core/parts';
import { reshape, sum, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';

/** One way to let the channels decide on each other's gates, with its weights. */
export interface ExcitationPart {
  /** `[squeezes, N, C]` to the logits of one or more gates, `[N, C]` each, summed over the squeezes. The gates' mean is the layer's. */
  (s: Tensor3D): Tensor2D[];
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
  return Object.assign((s: Tensor3D) => [part.summed(s)], { macs: (rows: number) => part.macs(rows) });
}

/**
 * A gate for each convolution along the channels. The convolutions' sum in one gate would be one convolution, that of the sum of their kernels: it is
 * the gates that bring several sizes together.
 */
function convs(channels: number, list: parts.ChannelConv[]): ExcitationPart {
  const apply = (s: Tensor3D): Tensor2D[] => {
    const all = summed(s); // before the convolutions, which are linear
    return list.map((conv) => conv(all));
  };
  return Object.assign(apply, { macs: (rows: number) => rows * list.reduce((sum, conv) => sum + conv.macs(channels), 0) });
}

/**
 * softmax(q·kᵀ)·v over the channels, each of which has one value as query, one as key and one as value: three convolutions of s along the channels.
 * GLAM's global channel attention (Song et al. 2022) takes queries and keys so, each through a sigmoid; its values are the features themselves. A
 * linear map of each channel by itself would not do: to however many values, all scores it can make are a·s_c·s_d + b·s_d.
 */
function selfAttention(weights: WeightScope, channels: number, options: ExcitationOptions): ExcitationPart {
  const kernelSize = kernelSizeOf(channels, options);
  const [query, key, value] = ['query', 'key', 'value'].map((name) => parts.channelConv(weights.at(name), { kernelSize }));
  const apply = (s: Tensor3D): Tensor2D[] => {
    const rows: Tensor2D = reshape(s, [-1, channels]);
    const tokens = (conv: parts.ChannelConv): Tensor3D => reshape(conv(rows), [...rows.shape, 1]); // [squeezes·N, C, 1]
    return [summed(reshape(attend(tokens(query), tokens(key), tokens(value)), s.shape))];
  };
  // The three convolutions, the scores, and the weighted sum.
  return Object.assign(apply, { macs: (rows: number) => rows * (3 * kernelSize * channels + 2 * channels * channels) });
}

/** `[squeezes, N, C]` to `[N, C]` */
function summed(s: Tensor3D): Tensor2D {
  return s.shape[0] === 1 ? reshape(s, s.shape.slice(1) as Tensor2D['shape']) : sum(s, 0);
}

function kernelSizeOf(channels: number, { kernelSize }: ExcitationOptions): number {
  return kernelSize ?? adaptiveKernelSize(channels);
}
