import { BlockError, either, show } from '@saccade/core';
import { fromStateDict, readArguments, type NameMap, type StateDict, type TorchSource } from '@saccade/core/torch';
import { channelGating, type ChannelGating, type ChannelGatingOptions, type Squeeze } from './index.js';

const POOLS = { avg: 'avg', max: 'max', lp: 'lp', lse: 'logSumExp' } as const satisfies Record<string, Squeeze>;

/** The published module that a state dict is of, and what the state dict does not say about it: widths and kernel sizes are read off the tensors. */
export interface ChannelGateSource {
  /**
   * `SEModule`: timm's, or torchvision's `SqueezeExcitation` · `eca_layer`: the official one, or timm's `EcaModule` · `ContextBlock`: GCNet's or mmcv's
   * with `fusion_types=['channel_mul']` · `ChannelGate`: that of the official CBAM.
   */
  module: keyof typeof MODULES;
  channels: number;
  /** Of an `SEModule`. Default: `relu`. */
  act?: 'relu' | 'silu';
  /** Of an `SEModule`. Default: `sigmoid`. */
  gate?: 'sigmoid' | 'hard_sigmoid';
  /** Of a `ChannelGate`. Default: `['avg', 'max']`. */
  pool_types?: readonly (keyof typeof POOLS)[];
}

type Reading = (state: StateDict, source: ChannelGateSource) => { readonly options: ChannelGatingOptions; readonly names: NameMap };

const MODULES = {
  SEModule: (state, { act = 'relu', gate = 'sigmoid' }) => ({
    options: { ...bottleneckOf(state, 'fc1'), activation: act, gate: gate === 'hard_sigmoid' ? 'hardSigmoid' : gate },
    names: { 'excitation/reduce': 'fc1', 'excitation/expand': 'fc2' },
  }),
  eca_layer: (state) => ({
    options: { excitation: 'conv', kernelSize: sizeIn(state, 'conv.weight', 2) },
    names: { 'excitation/conv': 'conv' },
  }),
  ContextBlock: (state) => ({
    options: { squeeze: 'conv_mask.weight' in state ? 'attention' : 'avg', norm: 'layer', ...bottleneckOf(state, 'channel_mul_conv.0') },
    names: {
      'squeeze/attention': 'conv_mask',
      'excitation/reduce': 'channel_mul_conv.0',
      'excitation/norm': 'channel_mul_conv.1',
      'excitation/expand': 'channel_mul_conv.3',
    },
  }),
  ChannelGate: (state, { pool_types = ['avg', 'max'] }) => ({
    options: { squeeze: pool_types.map((type) => POOLS[type] ?? type), ...bottleneckOf(state, 'mlp.1') },
    names: { 'excitation/reduce': 'mlp.1', 'excitation/expand': 'mlp.3' },
  }),
} as const satisfies Record<string, Reading>;

const ARGUMENTS = {
  SEModule: ['module', 'channels', 'act', 'gate'],
  eca_layer: ['module', 'channels'],
  ContextBlock: ['module', 'channels'],
  ChannelGate: ['module', 'channels', 'pool_types'],
} as const;

/**
 * A {@link ChannelGating} layer from one of the PyTorch modules that are pairs of its squeezes and excitations.
 *
 * @throws BlockError for an unknown module or argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<ChannelGateSource>): ChannelGating {
  const { module, channels } = config;
  if (!Object.hasOwn(MODULES, module)) {
    throw new BlockError(
      `ChannelGating: argument "module" is ${show(module)}, but must be ${either(Object.keys(MODULES).map(show))}. Build others from their options.`,
    );
  }
  readArguments(module, config, ARGUMENTS[module], ['channels']);
  const { options, names } = MODULES[module](state, config);
  return fromStateDict(channelGating(options), [null, null, null, channels], state, names);
}

function bottleneckOf(state: StateDict, reduce: string): ChannelGatingOptions {
  return { width: sizeIn(state, `${reduce}.weight`, 0), useBias: `${reduce}.bias` in state };
}

function sizeIn(state: StateDict, key: string, axis: number): number {
  const size = state[key]?.shape[axis];
  if (size === undefined) {
    throw new BlockError(
      `ChannelGating: the state dict has no "${key}" with ${axis + 1} axes or more, but only ${show(Object.keys(state))}. Check that it is of this module alone.`,
    );
  }
  return size;
}
