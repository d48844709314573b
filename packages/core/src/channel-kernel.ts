/** How the size of a kernel along the channels follows from their number: k = |log₂(C)/γ + b/γ|, the nearest odd number. */
export interface AdaptiveKernel {
  /** Default: 2. */
  readonly gamma?: number;
  /** Default: 1. */
  readonly b?: number;
  /** The least size, odd: 3 in timm. Default: 1, which is none, as in the paper. */
  readonly min?: number;
}

/**
 * ECA's rule for the size of a convolution along the channels: the more channels, the wider the interaction.
 *
 * Wang et al. ECA-Net. CVPR 2020, equation 12. A quotient that lies between two odd numbers is rounded up, as in the official code.
 *
 * @returns an odd number
 */
export function adaptiveKernelSize(channels: number, { gamma = 2, b = 1, min = 1 }: AdaptiveKernel = {}): number {
  const size = Math.floor(Math.abs(Math.log2(channels) + b) / gamma);
  return Math.max(size % 2 === 1 ? size : size + 1, min);
}
