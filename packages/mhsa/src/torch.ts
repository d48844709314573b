import { BlockError, either, show } from '@saccade/core';
import { fromStateDict, readArguments, splitRows, type StateDict, type TorchSource } from '@saccade/core/torch';
import { multiHeadSelfAttention2D, type MultiHeadSelfAttention2D, type PositionEncoding, type PositionTarget } from './index.js';

const POSITIONS = { none: 'none', sine: 'sine', 'sine-norm': 'sineNormalised', learned: 'learned' } as const satisfies Record<
  string,
  PositionEncoding
>;
const TARGETS = { qk: 'queriesAndKeys', all: 'all' } as const satisfies Record<string, PositionTarget>;
const MAE = 'sincos2d added to x before q,k,v';

/** The arguments of PyTorch's `nn.MultiheadAttention`, and of DETR's positions. */
export interface MultiheadAttentionArguments {
  /** `embed_dim` */
  dim: number;
  /** `num_heads` */
  heads: number;
  /** Default: true. */
  bias?: boolean;
  /** DETR's `PositionEmbeddingSine`, without and with `normalize`, or `PositionEmbeddingLearned`. Default: `none`. */
  pos?: keyof typeof POSITIONS;
  /** Default: `qk`, as DETR does. */
  pos_added_to?: keyof typeof TARGETS;
  /** Of `PositionEmbeddingSine`. Default: 10000. */
  temperature?: number;
}

/** The arguments of timm's `Attention`, and of MAE's positions. */
export interface AttentionArguments {
  dim: number;
  /** `num_heads`. Default: 8. */
  heads?: number;
  /** Default: false. */
  qkv_bias?: boolean;
  /** With MAE's `get_2d_sincos_pos_embed` of the map's size, or without positions. Default: `none`. */
  pos?: 'none' | typeof MAE;
}

/**
 * A {@link MultiHeadSelfAttention2D} layer from PyTorch's `nn.MultiheadAttention`, its weights under `mha.` or as they are, and DETR's positions,
 * those that are learned under `pe.`.
 *
 * @throws BlockError for an unknown argument or value, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<MultiheadAttentionArguments>): MultiHeadSelfAttention2D {
  const module = 'MultiheadAttention';
  const known = ['dim', 'heads', 'bias', 'pos', 'pos_added_to', 'temperature'] as const;
  const { dim, heads, bias, pos, pos_added_to, temperature } = readArguments(module, config, known, ['dim', 'heads']);
  const layer = multiHeadSelfAttention2D({
    heads,
    useBias: bias ?? true,
    positions: translated(module, 'pos', POSITIONS, pos ?? 'none'),
    positionsAddedTo: translated(module, 'pos_added_to', TARGETS, pos_added_to ?? 'qk'),
    temperature: temperature ?? 10_000,
  });
  const prefix = 'in_proj_weight' in state ? '' : 'mha.';
  return load(layer, dim, state, {
    weight: `${prefix}in_proj_weight`,
    bias: `${prefix}in_proj_bias`,
    out: `${prefix}out_proj`,
  });
}

/**
 * A {@link MultiHeadSelfAttention2D} layer from timm's `Attention`, its weights under `attn.` or as they are, and MAE's positions.
 *
 * @throws BlockError for an unknown argument or value, or a state dict that does not fit
 */
export function fromTimm({ config, state }: TorchSource<AttentionArguments>): MultiHeadSelfAttention2D {
  const { dim, heads, qkv_bias, pos } = readArguments('Attention', config, ['dim', 'heads', 'qkv_bias', 'pos'], ['dim']);
  const layer = multiHeadSelfAttention2D({
    heads: heads ?? 8,
    useBias: qkv_bias ?? false,
    useOutputBias: true,
    positions: translated('Attention', 'pos', { none: 'none', [MAE]: 'sinCos' }, pos ?? 'none'),
    positionsAddedTo: 'all',
  });
  const prefix = 'qkv.weight' in state ? '' : 'attn.';
  return load(layer, dim, state, { weight: `${prefix}qkv.weight`, bias: `${prefix}qkv.bias`, out: `${prefix}proj` });
}

/** Loads a state dict in which queries, keys and values have one projection together. */
function load(layer: MultiHeadSelfAttention2D, dim: number, state: StateDict, { weight, bias, out }: Record<'weight' | 'bias' | 'out', string>) {
  const split = [weight, bias].reduce((state, key) => splitRows(state, key, { query: dim, key: dim, value: dim }), state);
  const projections = ['query', 'key', 'value'].flatMap((part) => [
    [`${part}/kernel`, `${weight}[${part}]`],
    [`${part}/bias`, `${bias}[${part}]`],
  ]);
  return fromStateDict(layer, [null, null, null, dim], split, {
    ...Object.fromEntries(projections),
    out,
    'positions/rows': 'pe.row_embed.weight',
    'positions/columns': 'pe.col_embed.weight',
  });
}

function translated<T extends string>(module: string, argument: string, values: Readonly<Record<string, T>>, received: string): T {
  if (Object.hasOwn(values, received)) return values[received];
  throw new BlockError(
    `${module}: argument "${argument}" is ${show(received)}, but must be ${either(Object.keys(values).map(show))}. Give what the network does.`,
  );
}
