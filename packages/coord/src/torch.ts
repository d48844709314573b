import { BlockError, reducedChannels } from '@saccade/core';
import { checkDerived, fromStateDict, readArguments, type TorchSource } from '@saccade/core/torch';
import { coordinateAttention, type CoordinateAttention } from './index.js';

/** The arguments of the official `CoordAtt`. */
export interface CoordAttArguments {
  inp: number;
  /** Must equal `inp`, as wherever the block is used: it scales its own input. */
  oup: number;
  /** Default: 32. */
  reduction?: number;
  /** What `mbv2_ca.py` calls the reduction. */
  groups?: number;
  /** What inp and reduction make: refused where it contradicts them. */
  mip?: number;
}

/**
 * A {@link CoordinateAttention} layer from the official PyTorch module, with the keys of `coordatt.py` (`conv_h`, `conv_w`) or of `mbv2_ca.py` (`conv2`, `conv3`).
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<CoordAttArguments>): CoordinateAttention {
  const { inp, oup, reduction, groups, mip } = readArguments('CoordAtt', config, ['inp', 'oup', 'reduction', 'groups', 'mip'], ['inp', 'oup']);
  if (oup !== inp)
    throw new BlockError(`CoordAtt: oup is ${oup}, but must equal inp, ${inp}, since the block scales its own input. Give oup: ${inp}.`);
  if (reduction !== undefined && groups !== undefined && reduction !== groups) {
    throw new BlockError(`CoordAtt: reduction is ${reduction} and groups is ${groups}, but they are two names of one argument. Give one of them.`);
  }
  const options = { reduction: reduction ?? groups ?? 32, minChannels: 8 };
  const width = reducedChannels('CoordAtt', inp, options);
  checkDerived('CoordAtt', 'mip', mip, width, { inp, reduction: options.reduction });
  const [expandHeight, expandWidth] = 'conv2.weight' in state ? ['conv2', 'conv3'] : ['conv_h', 'conv_w'];
  return fromStateDict(coordinateAttention(options), [null, null, null, inp], state, { reduce: 'conv1', norm: 'bn1', expandHeight, expandWidth });
}
