import { BlockError, show, sizeOf } from '@saccade/core';
import {
  fromStateDict,
  prefixed,
  readArguments,
  splitRows,
  type NameMap,
  type StateDict,
  type StateTensor,
  type TorchSource,
} from '@saccade/core/torch';
import { axialAttention, axialBlock, positionSensitiveAxialAttention } from './index.js';
import type { AxialAttention, AxialBlock, PositionSensitiveAxialAttention } from './index.js';
import { axesOf } from './lines.js';

/** The arguments of lucidrains' `AxialAttention`. */
export interface AxialAttentionArguments {
  dim: number;
  /** Default: 2. */
  num_dimensions?: number;
  /** Default: 8. */
  heads?: number;
  /** Default: null, `dim // heads`. */
  dim_heads?: number | null;
  /** The axis of the channels in PyTorch. Ours is always the last. Default: -1. */
  dim_index?: number;
  /** Default: true. */
  sum_axial_out?: boolean;
  /** Whether an `AxialPositionalEmbedding` stands before the module. Default: false. */
  pos_emb?: boolean;
}

/** The arguments of Axial-DeepLab's `AxialAttention`. */
export interface PositionSensitiveAxialAttentionArguments {
  in_planes: number;
  out_planes: number;
  /** Default: 8. */
  groups?: number;
  /** The length of the axis. Default: 56. */
  kernel_size?: number;
  /** Default: 1. */
  stride?: number;
  /** Without effect there, too. */
  bias?: boolean;
  /** Whether it attends along the width, else along the height. Default: false. */
  width?: boolean;
}

/** The arguments of Axial-DeepLab's `AxialBlock`. Its `downsample` is known by its weights. */
export interface AxialBlockArguments {
  inplanes: number;
  planes: number;
  /** Default: 1. */
  stride?: number;
  /** Default: 1. */
  groups?: number;
  /** Default: 64. */
  base_width?: number;
  /** Without effect there, too. */
  dilation?: number;
  /** Height and width. Default: 56. */
  kernel_size?: number;
  /** The class's attribute. Default: 2. */
  expansion?: number;
}

/**
 * An {@link AxialAttention} layer from lucidrains' `AxialAttention`. With `pos_emb`, the state dict is that of an `AxialPositionalEmbedding` and the
 * attention together, whatever they are called in it.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function axialAttentionFromTorch({ config, state }: TorchSource<AxialAttentionArguments>): AxialAttention {
  const {
    dim,
    num_dimensions = 2,
    heads = 8,
    dim_heads = null,
    dim_index = -1,
    sum_axial_out = true,
    pos_emb = false,
  } = readArguments('AxialAttention', config, ['dim', 'num_dimensions', 'heads', 'dim_heads', 'dim_index', 'sum_axial_out', 'pos_emb'], ['dim']);
  const layer = axialAttention({
    heads,
    headChannels: dim_heads,
    combine: sum_axial_out ? 'sum' : 'sequence',
    positions: pos_emb ? 'learned' : 'none',
  });
  const width = heads * (dim_heads ?? dim / heads);
  const axes = axesOf(num_dimensions + 2);
  if (!axes)
    throw new BlockError(`AxialAttention: num_dimensions is ${show(num_dimensions)}, but must be 1, 2 or 3. Reshape the input to have as many.`);
  const channelAxis = dim_index > 0 ? dim_index : dim_index + num_dimensions + 2;
  const whole = withoutPrefixes(state);
  const tables = pos_emb ? axes.map((_, i) => positionTable(whole, `param_${i}`, dim, channelAxis <= i + 1)) : [];
  const ours = axes.reduce<StateDict>((state, _, i) => splitRows(state, `axial_attentions.${i}.fn.to_kv.weight`, { key: width, value: width }), {
    ...whole,
    ...Object.fromEntries(tables.map((table, i) => [`param_${i}`, table])),
  });
  const names = axes.map((axis, i): NameMap => {
    const module = `axial_attentions.${i}.fn`;
    return {
      [`${axis}/query`]: `${module}.to_q`,
      [`${axis}/key/kernel`]: `${module}.to_kv.weight[key]`,
      [`${axis}/value/kernel`]: `${module}.to_kv.weight[value]`,
      [`${axis}/out`]: `${module}.to_out`,
      [`positions/${axis}`]: `param_${i}`,
    };
  });
  const sizes = axes.map((_, i) => tables[i]?.shape[0] ?? null);
  return fromStateDict(layer, [null, ...sizes, dim], ours, Object.assign({}, ...names) as NameMap);
}

/**
 * A {@link PositionSensitiveAxialAttention} layer from Axial-DeepLab's `AxialAttention`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function positionSensitiveAxialAttentionFromTorch({
  config,
  state,
}: TorchSource<PositionSensitiveAxialAttentionArguments>): PositionSensitiveAxialAttention {
  const {
    in_planes,
    out_planes,
    groups = 8,
    kernel_size = 56,
    stride = 1,
    width = false,
  } = readArguments(
    'AxialAttention',
    config,
    ['in_planes', 'out_planes', 'groups', 'kernel_size', 'stride', 'bias', 'width'],
    ['in_planes', 'out_planes'],
  );
  const layer = positionSensitiveAxialAttention({ axis: width ? 'width' : 'height', filters: out_planes, groups, stride });
  const shape = width ? [null, null, kernel_size, in_planes] : [null, kernel_size, null, in_planes];
  return fromStateDict(layer, shape, parted(state, '', out_planes / groups), ATTENTION);
}

/**
 * An {@link AxialBlock} layer from Axial-DeepLab's `AxialBlock`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function axialBlockFromTorch({ config, state }: TorchSource<AxialBlockArguments>): AxialBlock {
  const {
    inplanes,
    planes,
    stride = 1,
    groups = 1,
    base_width = 64,
    kernel_size = 56,
    expansion = 2,
  } = readArguments(
    'AxialBlock',
    config,
    ['inplanes', 'planes', 'stride', 'groups', 'base_width', 'dilation', 'kernel_size', 'expansion'],
    ['inplanes', 'planes'],
  );
  const width = Math.floor((planes * base_width) / 64);
  const shortcut = 'downsample.0.weight' in state ? 'projection' : 'identity';
  const layer = axialBlock({ filters: planes * expansion, width, groups, stride, shortcut });
  const ours = ['hight_block.', 'width_block.'].reduce((state, prefix) => parted(state, prefix, width / groups), state);
  return fromStateDict(layer, [null, kernel_size, kernel_size, inplanes], ours, BLOCK);
}

/**
 * The layer of either module of Axial-DeepLab, told apart by its arguments: `in_planes` is the attention's, `inplanes` the block's.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function axialDeepLabFromTorch({
  config,
  state,
}: TorchSource<PositionSensitiveAxialAttentionArguments | AxialBlockArguments>): PositionSensitiveAxialAttention | AxialBlock {
  if ('in_planes' in config) return positionSensitiveAxialAttentionFromTorch({ config, state });
  if ('inplanes' in config) return axialBlockFromTorch({ config, state });
  throw new BlockError(
    `Axial-DeepLab: received the arguments ${show(config)}. Give "in_planes" for an AxialAttention, or "inplanes" for an AxialBlock.`,
  );
}

const ATTENTION: NameMap = {
  'query/dense': 'qkv_transform[query]',
  'query/norm': 'bn_qkv[query]',
  'key/dense': 'qkv_transform[key]',
  'key/norm': 'bn_qkv[key]',
  'value/dense': 'qkv_transform[value]',
  'value/norm': 'bn_qkv[value]',
  'distances/query': 'relative[query]',
  'distances/key': 'relative[key]',
  'distances/value': 'relative[value]',
  logitNorm: 'bn_similarity',
  contentNorm: 'bn_output[content]',
  positionNorm: 'bn_output[position]',
};

const BLOCK: NameMap = {
  'reduce/dense': 'conv_down',
  'reduce/norm': 'bn1',
  ...prefixed('height', 'hight_block', ATTENTION),
  ...prefixed('width', 'width_block', ATTENTION),
  'expand/dense': 'conv_up',
  'expand/norm': 'bn2',
  'project/conv': 'downsample.0',
  'project/norm': 'downsample.1',
};

/** The state dict of Axial-DeepLab's `AxialAttention`, its tensors parted into those of our weights. */
function parted(state: StateDict, prefix: string, groupPlanes: number): StateDict {
  const embedded = (row: number) => {
    const inGroup = row % (2 * groupPlanes);
    return inGroup < groupPlanes / 2 ? 'query' : inGroup < groupPlanes ? 'key' : 'value';
  };
  const summed = (row: number) => (row % 2 === 0 ? 'content' : 'position');
  const { [`${prefix}flatten_index`]: _, ...weights } = state;
  let ours = partRows(partRows(weights, `${prefix}qkv_transform`, '.weight', embedded), `${prefix}relative`, '', embedded);
  for (const name of ['.weight', '.bias', '.running_mean', '.running_var']) {
    ours = partRows(partRows(ours, `${prefix}bn_qkv`, name, embedded), `${prefix}bn_output`, name, summed);
  }
  const tables = ['query', 'key', 'value'].map((part) => `${prefix}relative[${part}]`).filter((name) => name in ours);
  return { ...ours, ...Object.fromEntries(tables.map((name) => [name, byDistance(ours[name])])) };
}

/** A state dict with the rows of a module's tensor, which lie along its first axis, in the part of the module that each belongs to. */
function partRows(state: StateDict, module: string, name: string, partOf: (row: number) => string): StateDict {
  const { [module + name]: whole, ...others } = state;
  if (!whole) return state;
  const [count, ...row] = whole.shape;
  const size = sizeOf(row);
  const parts = Array.from({ length: count }, (_, row) => partOf(row));
  const split = [...new Set(parts)].map((part) => {
    const rows = parts.flatMap((other, row) => (other === part ? [row] : []));
    const data = Float32Array.from({ length: rows.length * size }, (_, i) => whole.data[rows[Math.floor(i / size)] * size + (i % size)]);
    return [`${module}[${part}]${name}`, { shape: [rows.length, ...row], data }] as const;
  });
  return { ...others, ...Object.fromEntries(split) };
}

/** From a row a channel, where distances count from the other position, to a row a distance, where they count to it. */
function byDistance({ shape: [channels, distances], data }: StateTensor): StateTensor {
  const value = (i: number) => data[(i % channels) * distances + distances - 1 - Math.floor(i / channels)];
  return { shape: [distances, channels], data: Float32Array.from(data, (_, i) => value(i)) };
}

/** A table of an `AxialPositionalEmbedding`, where all axes but two have size 1, as `[positions, channels]`. */
function positionTable(state: StateDict, name: string, channels: number, channelsFirst: boolean): StateTensor {
  const table: StateTensor | undefined = state[name];
  if (!table) {
    throw new BlockError(
      `AxialAttention: pos_emb is true, but the state dict has no "${name}". Give it with the weights of the AxialPositionalEmbedding.`,
    );
  }
  const size = table.data.length / channels;
  const value = (i: number) => table.data[channelsFirst ? (i % channels) * size + Math.floor(i / channels) : i];
  return { shape: [size, channels], data: Float32Array.from(table.data, (_, i) => value(i)) };
}

/** The names of lucidrains' modules without those of what holds them; `params.0` is what an earlier version calls `param_0`. */
function withoutPrefixes(state: StateDict): StateDict {
  return Object.fromEntries(
    Object.entries(state).map(([name, tensor]) => {
      const [, module, table] = /(?:^|\.)(?:(axial_attentions\..*)|param(?:_|s\.)(\d+))$/.exec(name) ?? [];
      return [module ?? (table === undefined ? name : `param_${table}`), tensor];
    }),
  );
}
