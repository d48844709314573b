import { BlockError } from './errors.js';

/** How a bottleneck's width follows from the number of channels. */
export interface Reduction {
  /** The width is C / reduction. */
  readonly reduction: number;
  /** The least width. */
  readonly minChannels?: number;
  /** The width is rounded to the nearest multiple of this, and is at least this; 1 rounds down. */
  readonly divisor?: number;
}

/**
 * The width of a bottleneck over `channels`.
 *
 * @param title the block, for messages
 * @throws {@link BlockError} where no channel is left
 */
export function reducedChannels(title: string, channels: number, { reduction, minChannels = 0, divisor = 1 }: Reduction): number {
  const wanted = channels / reduction;
  const rounded = divisor === 1 ? Math.floor(wanted) : Math.max(divisor, Math.floor(wanted / divisor + 0.5) * divisor);
  const width = Math.max(rounded, minChannels);
  if (width < 1) {
    throw new BlockError(
      `${title}: reduction ${reduction} leaves no channel of ${channels}. Give a reduction of at most ${channels}, or set the width another way.`,
    );
  }
  return width;
}
