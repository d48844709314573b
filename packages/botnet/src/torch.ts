import { BlockError, either, show, type Activation } from '@saccade/core';
import { fromStateDict, prefixed, readArguments, type NameMap, type StateDict, type TorchSource } from '@saccade/core/torch';
import {
  bottleneckSelfAttention,
  bottleneckTransformerBlock,
  type BottleneckPositions,
  type BottleneckSelfAttention,
  type BottleneckTransformerBlock,
} from './index.js';

/** The arguments of timm's `BottleneckAttn`. */
export interface TimmArguments {
  dim: number;
  /** Default: `dim`. */
  dim_out?: number | null;
  /** Height and width, or one number for both. Default: those of the tables. */
  feat_size?: FeatureSize;
  /** 2 pools; with any other the module does not. Default: 1. */
  stride?: number;
  /** Default: 4. */
  num_heads?: number;
  /** Default: of `qk_ratio`. */
  dim_head?: number | null;
  /** Default: 1. */
  qk_ratio?: number;
  /** Default: false. */
  qkv_bias?: boolean;
  /** Default: false. */
  scale_pos_embed?: boolean;
}

/** The arguments of lucidrains' `Attention`. */
export interface AttentionArguments {
  dim: number;
  /** Height and width, or one number for both. Default: those of the tables. */
  fmap_size?: FeatureSize;
  /** Default: 4. */
  heads?: number;
  /** Default: 128. */
  dim_head?: number;
  /** Default: false, which is absolute positions. */
  rel_pos_emb?: boolean;
}

/** The arguments of lucidrains' `BottleBlock`. */
export interface BottleBlockArguments extends AttentionArguments {
  dim_out: number;
  proj_factor: number;
  downsample: boolean;
  /** The class of the activation. Default: `ReLU`. */
  activation?: keyof typeof ACTIVATIONS;
}

type FeatureSize = number | readonly [height: number, width: number];

const ACTIVATIONS = {
  ReLU: 'relu',
  ReLU6: 'relu6',
  SiLU: 'silu',
  Hardswish: 'hardSwish',
  LeakyReLU: 'leakyRelu',
} as const satisfies Record<string, Activation>;

/**
 * A {@link BottleneckSelfAttention} layer from timm's `BottleneckAttn`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTimm({ config, state }: TorchSource<TimmArguments>): BottleneckSelfAttention {
  const {
    dim,
    dim_out,
    feat_size,
    stride = 1,
    num_heads = 4,
    dim_head,
    qk_ratio = 1,
    qkv_bias = false,
    scale_pos_embed = false,
  } = readArguments(
    'BottleneckAttn',
    config,
    ['dim', 'dim_out', 'feat_size', 'stride', 'num_heads', 'dim_head', 'qk_ratio', 'qkv_bias', 'scale_pos_embed'],
    ['dim'],
  );
  const filters = dim_out || dim;
  const layer = bottleneckSelfAttention({
    filters,
    heads: num_heads,
    headChannels: dim_head || Math.floor(multipleOf8(filters * qk_ratio) / num_heads),
    stride: stride === 2 ? 2 : 1,
    scalePositions: scale_pos_embed,
    useBias: qkv_bias,
  });
  const names = { qkv: 'qkv', 'positions/height': 'pos_embed.height_rel', 'positions/width': 'pos_embed.width_rel' };
  return fromStateDict(layer, [null, ...mapSize('BottleneckAttn', feat_size, state, names, 'relative'), dim], state, names);
}

/**
 * A {@link BottleneckSelfAttention} layer from lucidrains' `Attention`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function bottleneckSelfAttentionFromTorch({ config, state }: TorchSource<AttentionArguments>): BottleneckSelfAttention {
  const known = ['dim', 'fmap_size', 'heads', 'dim_head', 'rel_pos_emb'] as const;
  const { dim, fmap_size, heads = 4, dim_head = 128, rel_pos_emb = false } = readArguments('Attention', config, known, ['dim']);
  const positions = rel_pos_emb ? 'relative' : 'absolute';
  const layer = bottleneckSelfAttention({ filters: heads * dim_head, heads, positions });
  const names = attentionNames(positions);
  return fromStateDict(layer, [null, ...mapSize('Attention', fmap_size, state, names, positions), dim], state, names);
}

/**
 * A {@link BottleneckTransformerBlock} layer from lucidrains' `BottleBlock`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function bottleneckTransformerBlockFromTorch({ config, state }: TorchSource<BottleBlockArguments>): BottleneckTransformerBlock {
  const {
    dim,
    fmap_size,
    dim_out,
    proj_factor,
    downsample,
    heads = 4,
    dim_head = 128,
    rel_pos_emb = false,
    activation = 'ReLU',
  } = readArguments(
    'BottleBlock',
    config,
    ['dim', 'fmap_size', 'dim_out', 'proj_factor', 'downsample', 'heads', 'dim_head', 'rel_pos_emb', 'activation'],
    ['dim', 'dim_out', 'proj_factor', 'downsample'],
  );
  if (!Object.hasOwn(ACTIVATIONS, activation)) {
    throw new BlockError(
      `BottleBlock: activation is ${show(activation)}, but must be ${either(Object.keys(ACTIVATIONS).map(show))}. Leave it out for the default, "ReLU".`,
    );
  }
  const positions = rel_pos_emb ? 'relative' : 'absolute';
  const layer = bottleneckTransformerBlock({
    filters: dim_out,
    reduction: proj_factor,
    heads,
    headChannels: dim_head,
    stride: downsample ? 2 : 1,
    positions,
    shortcutKernelSize: downsample ? 3 : 1,
    activation: ACTIVATIONS[activation],
  });
  const names = {
    'project/conv': 'shortcut.0',
    'project/norm': 'shortcut.1',
    'reduce/conv': 'net.0',
    'reduce/norm': 'net.1',
    ...prefixed('attention', 'net.3', attentionNames(positions)),
    norm: 'net.5',
    'expand/conv': 'net.7',
    'expand/norm': 'net.8',
  };
  return fromStateDict(layer, [null, ...mapSize('BottleBlock', fmap_size, state, names, positions, 'attention/'), dim], state, names);
}

/**
 * The layer of either of lucidrains' modules, told apart by their arguments: `dim_out` is the block's alone.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({
  config,
  state,
}: TorchSource<AttentionArguments | BottleBlockArguments>): BottleneckSelfAttention | BottleneckTransformerBlock {
  return 'dim_out' in config ? bottleneckTransformerBlockFromTorch({ config, state }) : bottleneckSelfAttentionFromTorch({ config, state });
}

function attentionNames(positions: BottleneckPositions): NameMap {
  const prefix = positions === 'relative' ? 'rel_' : '';
  return { qkv: 'to_qkv', 'positions/height': `pos_emb.${prefix}height`, 'positions/width': `pos_emb.${prefix}width` };
}

/** Height and width, as given or else from the tables. */
function mapSize(
  module: string,
  given: FeatureSize | undefined,
  state: StateDict,
  names: NameMap,
  positions: BottleneckPositions,
  part = '',
): number[] {
  if (typeof given === 'number') return [given, given];
  if (given) return [...given];
  return ['height', 'width'].map((axis) => {
    const table = names[`${part}positions/${axis}`];
    const length = state[table]?.shape[0];
    if (length === undefined)
      throw new BlockError(`${module}: the state dict has no "${table}", and no size was given. Give one, or check that it is of this module.`);
    return positions === 'relative' ? (length + 1) / 2 : length;
  });
}

// timm's make_divisible, which rounds to the nearest multiple, but down by no more than a tenth.
function multipleOf8(value: number): number {
  const nearest = Math.max(8, Math.floor(Math.floor(value + 4) / 8) * 8);
  return nearest < 0.9 * value ? nearest + 8 : nearest;
}
