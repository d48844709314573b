import { BlockError, reducedChannels } from '@saccade/core';
import { checkDerived, fromStateDict, readArguments, type NameMap, type StateDict, type TorchSource } from '@saccade/core/torch';
import { globalLocalAttention, type GlobalLocalAttention } from './index.js';

/** The arguments of `feature_attention_gala`, and of modules of the paper's equations. */
export interface GlobalLocalAttentionArguments {
  channels: number;
  /** `gala_tpu` is the released code. Default: `gala_tpu`. */
  impl?: 'gala_tpu' | 'paper';
  /** Default: 4. */
  reduction?: number;
  /** Default: `sigmoid` of `gala_tpu`, `tanh` of the paper. */
  squash?: 'sigmoid' | 'tanh';
  /** Default: `both`. */
  interaction?: 'additive' | 'multiplicative' | 'both';
  /** Default: 1 of `gala_tpu`, 0 of the paper. */
  extra_convs?: number;
  /** Default: 5. */
  extra_conv_size?: number;
  /** Default: what the state dict has. */
  bias?: boolean;
  /** What channels and reduction make: refused where it contradicts them. */
  hidden?: number;
}

const NAMES = {
  gala_tpu: { localShrink: 'intermediate', localCollapse: 'output', additive: 'alpha', multiplicative: 'beta' },
  paper: { localShrink: 'conv1', localCollapse: 'conv2', additive: 'a', multiplicative: 'm' },
} as const;

/**
 * A {@link GlobalLocalAttention} layer from a PyTorch module with the keys `fc1`, `fc2`, `extra.0`, … and those of its `impl`: `intermediate`, `output`,
 * `alpha` and `beta`, or `conv1`, `conv2`, `a` and `m`. A weight of a kind of interaction that the module does not compute is passed over.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<GlobalLocalAttentionArguments>): GlobalLocalAttention {
  const known = ['channels', 'impl', 'reduction', 'squash', 'interaction', 'extra_convs', 'extra_conv_size', 'bias', 'hidden'] as const;
  const { channels, impl = 'gala_tpu', reduction = 4, hidden, ...rest } = readArguments('GALA', config, known, ['channels']);
  const width = reducedChannels('GALA', channels, { reduction });
  checkDerived('GALA', 'hidden', hidden, width, { channels, reduction });
  if (!Object.hasOwn(NAMES, impl)) {
    throw new BlockError(`GALA: impl is ${JSON.stringify(impl)}, but must be "gala_tpu" or "paper". Leave it out for the default, "gala_tpu".`);
  }
  const { interaction = 'both', squash = null, extra_convs = impl === 'paper' ? 0 : 1, extra_conv_size = 5, bias = 'fc1.bias' in state } = rest;
  const { additive, multiplicative } = NAMES[impl];
  const has = { additive: additive in state, multiplicative: multiplicative in state };
  // The released code weighs no interaction of one kind: where a module of it has both weights all the same, it uses neither.
  const weighted = interaction === 'both' || (has[interaction] && !(impl === 'gala_tpu' && has.additive && has.multiplicative));
  const idle = interaction === 'both' ? [] : weighted ? [interaction === 'additive' ? multiplicative : additive] : [additive, multiplicative];
  const layer = globalLocalAttention({
    form: impl === 'paper' ? 'paper' : 'release',
    reduction,
    interaction,
    weighted,
    squash,
    extraConvs: extra_convs,
    extraConvSize: extra_conv_size,
    useBias: bias,
  });
  const names = { globalShrink: 'fc1', globalExpand: 'fc2', ...NAMES[impl], ...extraNames(extra_convs) };
  return fromStateDict(layer, [null, null, null, channels], without(idle, state), names);
}

function extraNames(convs: number): NameMap {
  return Object.fromEntries(Array.from({ length: convs }, (_, i) => [`extra${i}`, `extra.${i}`]));
}

function without(names: readonly string[], state: StateDict): StateDict {
  return Object.fromEntries(Object.entries(state).filter(([name]) => !names.includes(name)));
}
