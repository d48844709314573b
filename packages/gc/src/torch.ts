import { BlockError, either, show } from '@saccade/core';
import { fromStateDict, readArguments, type TorchSource } from '@saccade/core/torch';
import { globalContext, simplifiedNonLocal, type GlobalContext, type SimplifiedNonLocal } from './index.js';

const POOLINGS = { att: 'attention', avg: 'avg' } as const;
const FUSIONS = { channel_add: 'add', channel_mul: 'multiply' } as const;

/** The arguments of the official `ContextBlock`, or of mmcv's. */
export interface ContextBlockArguments {
  inplanes?: number;
  /** mmcv's name of `inplanes`. */
  in_channels?: number;
  /** mmcv and the official configurations: 1/16. */
  ratio: number;
  pooling_type?: keyof typeof POOLINGS;
  fusion_types?: readonly (keyof typeof FUSIONS)[];
  /** Follows from `ratio`. */
  planes?: number;
}

/** The arguments of the `ContextBlock` of DNL-Object-Detection with `simple=True`. */
export interface SimpleContextBlockArguments {
  inplanes: number;
  /** Must be true. */
  simple: boolean;
}

/**
 * A {@link GlobalContext} layer from GCNet's or mmcv's `ContextBlock`.
 *
 * @throws BlockError for an unknown argument or value, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<ContextBlockArguments>): GlobalContext {
  const {
    inplanes,
    in_channels,
    ratio,
    pooling_type = 'att',
    fusion_types = ['channel_add'],
  } = readArguments('ContextBlock', config, ['inplanes', 'in_channels', 'ratio', 'pooling_type', 'fusion_types', 'planes'], ['ratio']);
  const channels = inplanes ?? in_channels;
  if (channels === undefined) throw new BlockError('ContextBlock: missing argument "inplanes". Give it as the PyTorch constructor got it.');
  const layer = globalContext({
    width: Math.trunc(channels * ratio),
    pooling: translate('pooling_type', POOLINGS, pooling_type),
    fusions: [fusion_types].flat().map((fusion) => translate('fusion_types', FUSIONS, fusion)),
  });
  return fromStateDict(layer, [null, null, null, channels], state, {
    mask: 'conv_mask',
    ...branch('add', 'channel_add_conv'),
    ...branch('multiply', 'channel_mul_conv'),
  });
}

/**
 * A {@link SimplifiedNonLocal} layer from the `ContextBlock(simple=True)` of DNL-Object-Detection.
 *
 * @throws BlockError for an unknown argument or value, or a state dict that does not fit
 */
export function fromDnl({ config, state }: TorchSource<SimpleContextBlockArguments>): SimplifiedNonLocal {
  const { inplanes, simple } = readArguments('ContextBlock(simple=True)', config, ['inplanes', 'simple'], ['inplanes', 'simple']);
  if (!simple) throw new BlockError(`ContextBlock: argument "simple" is ${show(simple)}, but must be true here. Read the other form with fromTorch.`);
  return fromStateDict(simplifiedNonLocal(), [null, null, null, inplanes], state, { mask: 'conv_mask', value: 'conv_value' });
}

function branch(ours: string, theirs: string): Record<string, string> {
  return { [`${ours}/reduce`]: `${theirs}.0`, [`${ours}/norm`]: `${theirs}.1`, [`${ours}/expand`]: `${theirs}.3` };
}

function translate<T extends Record<string, string>>(argument: string, values: T, value: keyof T & string): T[keyof T] {
  if (Object.hasOwn(values, value)) return values[value];
  throw new BlockError(
    `ContextBlock: argument "${argument}" has the value ${show(value)}, but takes ${either(Object.keys(values).map(show))}. Give it as the PyTorch constructor got it.`,
  );
}
