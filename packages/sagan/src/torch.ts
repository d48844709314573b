import { BlockError, reducedChannels, show } from '@saccade/core';
import {
  checkDerived,
  fromStateDict,
  kernelFromTensorFlow,
  readArguments,
  readWeights,
  type PlacedWeight,
  type StateDict,
  type TorchSource,
} from '@saccade/core/torch';
import { dispose, reshape, tidy } from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import { selfAttention2D, spectralNorm, type SelfAttention2D, type SpectralNorm } from './index.js';

/** The arguments of heykeetae's `Self_Attn`. */
export interface SelfAttnArguments {
  in_dim: number;
  /** The official class keeps it, and uses it nowhere. */
  activation?: unknown;
  /** What `in_dim` makes: refused where it contradicts that. */
  key_channels?: number;
}

/** The arguments of the authors' `sn_non_local_block_sim`, and of its spectral norms. */
export interface NonLocalBlockSimArguments {
  num_channels: number;
  /** What `num_channels` makes: refused where it contradicts that. */
  key_channels?: number;
  /** What `num_channels` makes: refused where it contradicts that. */
  value_channels?: number;
  /** `None` stores the vectors of each forward's power iteration, `NO_OPS` does not. Default: `None`. */
  update_collection?: 'None' | 'NO_OPS' | null;
  /** Default: 1. */
  num_iters?: number;
}

/** The arguments of heykeetae's `SpectralNorm`, and of the convolution in it: with stride 1, and padding that keeps the map's size. */
export interface SpectralNormArguments {
  in_channels: number;
  out_channels: number;
  /** Odd. */
  kernel: number;
  /** Default: 1. */
  power_iterations?: number;
}

/**
 * A {@link SelfAttention2D} layer from heykeetae's PyTorch code.
 *
 * @throws BlockError for an unknown argument, one that contradicts another, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<SelfAttnArguments>): SelfAttention2D {
  const { in_dim, key_channels } = readArguments('Self_Attn', config, ['in_dim', 'activation', 'key_channels'], ['in_dim']);
  checkDerived('Self_Attn', 'key_channels', key_channels, reducedChannels('Self_Attn', in_dim, { reduction: 8 }), { in_dim });
  const names = { query: 'query_conv', key: 'key_conv', value: 'value_conv', gamma: 'gamma' };
  return fromStateDict(selfAttention2D({ form: 'pytorch' }), [null, null, null, in_dim], state, names);
}

/**
 * A {@link SelfAttention2D} layer from the authors' TensorFlow code. Variables are found by their names' ends, `…/sn_conv_theta/w` and so on, with `/`
 * or `__` between the parts; kernels are in TensorFlow's layout.
 *
 * @throws BlockError for an unknown argument or value, one that contradicts another, or variables that do not fit
 */
export function fromTensorFlow({ config, state }: TorchSource<NonLocalBlockSimArguments>): SelfAttention2D {
  const title = 'sn_non_local_block_sim';
  const known = ['num_channels', 'key_channels', 'value_channels', 'update_collection', 'num_iters'] as const;
  const { num_channels, key_channels, value_channels, num_iters = 1, ...rest } = readArguments(title, config, known, ['num_channels']);
  checkDerived(title, 'key_channels', key_channels, reducedChannels(title, num_channels, { reduction: 8 }), { num_channels });
  checkDerived(title, 'value_channels', value_channels, reducedChannels(title, num_channels, { reduction: 2 }), { num_channels });
  const update = rest.update_collection ?? 'None';
  if (update !== 'None' && update !== 'NO_OPS') {
    throw new BlockError(
      `${title}: argument "update_collection" is ${show(update)}, but must be "None" or "NO_OPS". Give "None" where the vectors are stored after each forward.`,
    );
  }
  const layer = selfAttention2D({ iterations: num_iters, inference: update === 'None' ? 'update' : 'iterate' });
  const [, scope, divider] = /^(.*)sn_conv_theta(\/|__)w$/m.exec(Object.keys(state).join('\n')) ?? ['', '', '/'];
  const variables = { query: 'theta', key: 'phi', value: 'g', out: 'attn' };
  const convs = Object.entries(variables).map(([part, name]) => [part, `${scope}sn_conv_${name}${divider}`] as const);
  const names = convs.flatMap(([part, conv]) => [[`${part}/kernel`, `${conv}w`] as const, [`${part}/u`, `${conv}u`] as const]);
  const kernels = Object.entries(state).filter(([name]) => name.endsWith(`${divider}w`));
  const inTorchLayout: StateDict = { ...state, ...Object.fromEntries(kernels.map(([name, kernel]) => [name, kernelFromTensorFlow(kernel)])) };
  return fromStateDict(layer, [null, null, null, num_channels], inTorchLayout, { ...Object.fromEntries(names), gamma: `${scope}sigma_ratio` });
}

/**
 * A {@link SpectralNorm} of a convolution from heykeetae's PyTorch code, with the keys `….weight_bar`, `….weight_u`, `….weight_v` and `….bias`; or from
 * `torch.nn.utils.spectral_norm`, which says `weight_orig` and does not iterate at inference.
 *
 * @throws BlockError for an unknown argument or value, or a state dict that does not fit
 */
export function fromSpectralNorm({ config, state }: TorchSource<SpectralNormArguments>): SpectralNorm {
  const title = 'SpectralNorm';
  const required = ['in_channels', 'out_channels', 'kernel'] as const;
  const { in_channels, out_channels, kernel, power_iterations = 1 } = readArguments(title, config, [...required, 'power_iterations'], required);
  if (kernel % 2 !== 1) {
    throw new BlockError(
      `${title}: argument "kernel" is ${show(kernel)}, but must be odd, so that the padding keeps the map's size. Wrap a layer yourself, and set its weights.`,
    );
  }
  const [, scope = '', original = 'bar'] = /^(.*)weight_(bar|orig)$/m.exec(Object.keys(state).join('\n')) ?? [];
  const bias = `${scope}bias` in state;
  const specs: PlacedWeight[] = [
    { path: 'kernel', shape: [kernel, kernel, in_channels, out_channels], layout: 'conv' },
    { path: 'bias', shape: [out_channels], layout: 'vector' },
    { path: 'u', shape: [out_channels, 1], layout: 'vector' },
    { path: 'v', shape: [kernel, kernel, in_channels, 1], layout: 'conv' },
  ];
  const names = { kernel: `${scope}weight_${original}`, bias: `${scope}bias`, u: `${scope}weight_u`, v: `${scope}weight_v` };
  // v has PyTorch's order of inputs and taps, as a kernel with one output.
  const v = state[names.v];
  const placed =
    v?.data.length === in_channels * kernel * kernel ? { ...state, [names.v]: { ...v, shape: [1, in_channels, kernel, kernel] } } : state;
  const present = specs.filter(({ path }) => path !== 'bias' || bias);
  const values = readWeights(title, present, placed, names);
  const conv = layers.conv2d({ filters: out_channels, kernelSize: kernel, padding: 'same', useBias: bias });
  const layer = spectralNorm({ layer: conv, iterations: power_iterations, inference: original === 'orig' ? 'hold' : 'update' });
  layer.build([null, null, null, in_channels]);
  tidy(() => layer.setWeights([...values.slice(0, -1), reshape(values.at(-1)!, [1, -1])]));
  dispose(values);
  return layer;
}
