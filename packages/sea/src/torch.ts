import { BlockError, either, show, showShape, sizeOf, type Activation } from '@saccade/core';
import { fromStateDict, prefixed, readArguments, type NameMap, type StateDict, type StateTensor, type TorchSource } from '@saccade/core/torch';
import { seaFormerBlock, squeezeAxialAttention, type SeaFormerBlock, type SqueezeAxialAttention } from './index.js';
import { widthsOf } from './squeeze-axial-attention.js';

/** The arguments of the official `Sea_Attention`. */
export interface SeaAttentionArguments {
  dim: number;
  /** Channels of a head's queries and keys. */
  key_dim: number;
  num_heads: number;
  /** Default: 2. The segmentation file's own, 4, does not fit its detail branch. */
  attn_ratio?: number;
  /** The class of the activation. Default: `ReLU6`, as in all networks: the constructor has none. */
  activation?: keyof typeof ACTIVATIONS;
}

/** The arguments of the official `Block`. */
export interface BlockArguments {
  dim: number;
  /** Channels of a head's queries and keys. */
  key_dim: number;
  num_heads: number;
  /** Default: 4. */
  mlp_ratio?: number;
  /** Default: 2. */
  attn_ratio?: number;
  /** Default: 0. */
  drop_path?: number;
  /** The class that the constructor calls `act_layer`. Default: `ReLU`, its own; all networks give `ReLU6`. */
  activation?: keyof typeof ACTIVATIONS;
}

const ACTIVATIONS = {
  ReLU: 'relu',
  ReLU6: 'relu6',
  SiLU: 'silu',
  Hardswish: 'hardSwish',
  LeakyReLU: 'leakyRelu',
} as const satisfies Record<string, Activation>;

/**
 * A {@link SqueezeAxialAttention} layer from the official `Sea_Attention`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function squeezeAxialAttentionFromTorch({ config, state }: TorchSource<SeaAttentionArguments>): SqueezeAxialAttention {
  const known = ['dim', 'key_dim', 'num_heads', 'attn_ratio', 'activation'] as const;
  const { dim, activation = 'ReLU6', ...widths } = readArguments('Sea_Attention', config, known, ['dim', 'key_dim', 'num_heads']);
  const layer = squeezeAxialAttention({ ...attentionOptions(widths), activation: activationOf('Sea_Attention', activation, 'ReLU6') });
  return fromStateDict(layer, [null, null, null, dim], withJointProjection('Sea_Attention', state, '', dim, layer.options), ATTENTION);
}

/**
 * A {@link SeaFormerBlock} layer from the official `Block`.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function seaFormerBlockFromTorch({ config, state }: TorchSource<BlockArguments>): SeaFormerBlock {
  const known = ['dim', 'key_dim', 'num_heads', 'mlp_ratio', 'attn_ratio', 'drop_path', 'activation'] as const;
  const {
    dim,
    activation = 'ReLU',
    mlp_ratio = 4,
    drop_path = 0,
    ...widths
  } = readArguments('Block', config, known, ['dim', 'key_dim', 'num_heads']);
  const layer = seaFormerBlock({
    ...attentionOptions(widths),
    activation: activationOf('Block', activation, 'ReLU'),
    mlpRatio: mlp_ratio,
    dropPath: drop_path,
  });
  return fromStateDict(layer, [null, null, null, dim], withJointProjection('Block', state, 'attn.', dim, layer.options), BLOCK);
}

/**
 * The layer of either module: that of a block where a feed-forward network is spoken of, in the arguments or in the state dict.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<SeaAttentionArguments | BlockArguments>): SqueezeAxialAttention | SeaFormerBlock {
  const isBlock = 'mlp_ratio' in config || 'drop_path' in config || Object.keys(state).some((key) => key.startsWith('mlp.'));
  return isBlock ? seaFormerBlockFromTorch({ config, state }) : squeezeAxialAttentionFromTorch({ config, state });
}

const JOINT = 'to_qkv';

const ATTENTION: NameMap = {
  ...convBatchNorm('project', JOINT),
  ...convBatchNorm('enhance', 'dwconv'),
  ...convBatchNorm('restore', 'pwconv'),
  'row/queryPositions': 'pos_emb_rowq.pos_embed',
  'row/keyPositions': 'pos_emb_rowk.pos_embed',
  ...convBatchNorm('row/encode', 'proj_encode_row.1'),
  'column/queryPositions': 'pos_emb_columnq.pos_embed',
  'column/keyPositions': 'pos_emb_columnk.pos_embed',
  ...convBatchNorm('column/encode', 'proj_encode_column.1'),
  ...convBatchNorm('fuse', 'proj.1'),
};

const BLOCK: NameMap = {
  ...prefixed('attention', 'attn', ATTENTION),
  ...convBatchNorm('expand', 'mlp.fc1'),
  mix: 'mlp.dwconv',
  ...convBatchNorm('reduce', 'mlp.fc2'),
};

/** Of a `Conv2d_BN`. */
function convBatchNorm(ours: string, theirs: string): NameMap {
  return { [`${ours}/conv`]: `${theirs}.c`, [`${ours}/norm`]: `${theirs}.bn` };
}

function attentionOptions({ key_dim, num_heads, attn_ratio = 2 }: Pick<SeaAttentionArguments, 'key_dim' | 'num_heads' | 'attn_ratio'>) {
  return { heads: num_heads, headChannels: key_dim, attentionRatio: attn_ratio };
}

function activationOf(module: string, name: keyof typeof ACTIVATIONS, initial: string): Activation {
  if (Object.hasOwn(ACTIVATIONS, name)) return ACTIVATIONS[name];
  throw new BlockError(
    `${module}: activation is ${show(name)}, but must be ${either(Object.keys(ACTIVATIONS).map(show))}. Leave it out for the default, ${show(initial)}.`,
  );
}

/**
 * The state dict with one projection, as our layer has it, in place of those of queries, keys and values.
 *
 * @param prefix of the attention's keys
 */
function withJointProjection(module: string, state: StateDict, prefix: string, dim: number, options: SqueezeAxialAttention['options']): StateDict {
  const { keyChannels, valueChannels } = widthsOf(options);
  const rows = { to_q: keyChannels, to_k: keyChannels, to_v: valueChannels };
  const joint: Record<string, StateTensor> = { ...state };
  const faults: string[] = [];
  for (const tensor of ['c.weight', 'bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var']) {
    const row = tensor === 'c.weight' ? [dim, 1, 1] : [];
    const shape = [2 * keyChannels + valueChannels, ...row];
    const data = new Float32Array(sizeOf(shape));
    let begin = 0;
    for (const [projection, count] of Object.entries(rows)) {
      const key = `${prefix}${projection}.${tensor}`;
      const found: StateTensor | undefined = state[key];
      const expected = showShape([count, ...row]);
      if (!found) faults.push(`"${key}" ${expected} is missing`);
      else if (showShape(found.shape) !== expected) faults.push(`"${key}" has shape ${showShape(found.shape)}, but must be ${expected}`);
      else data.set(found.data, begin);
      begin += count * sizeOf(row);
      delete joint[key];
    }
    joint[`${prefix}${JOINT}.${tensor}`] = { shape, data };
  }
  if (faults.length === 0) return joint;
  throw new BlockError(
    `${module}: the state dict does not fit: ${faults.join('; ')}. Check that it is of this module alone and that the arguments are those it was made with.`,
  );
}
