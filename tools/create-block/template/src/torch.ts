import { fromStateDict, readArguments, type TorchSource } from '@saccade/core/torch';
import { templateBlock, type TemplateBlock } from './index.js';

/** The arguments of the official constructor. */
export interface TemplateBlockArguments {
  channels: number;
  bias?: boolean;
}

/**
 * A {@link TemplateBlock} layer from the official PyTorch module.
 *
 * @throws BlockError for an unknown argument, or a state dict that does not fit
 */
export function fromTorch({ config, state }: TorchSource<TemplateBlockArguments>): TemplateBlock {
  const { channels, bias = true } = readArguments('TemplateBlock', config, ['channels', 'bias'], ['channels']);
  return fromStateDict(templateBlock({ useBias: bias }), [null, null, null, channels], state, { fc: 'fc' });
}
