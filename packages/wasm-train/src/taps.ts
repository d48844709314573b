/** How a convolution slides along one axis. */
export interface Axis {
  /** Length of the input. */
  readonly input: number;
  /** Length of the output. */
  readonly output: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  /** Zeros before the input. */
  readonly pad: number;
}

/**
 * Where a tap of the kernel reads. Output `o` and tap `k` meet at `o · stride + k · dilation` of the padded input. Seen as a strided input
 * split into its `stride` phases, that is element `o + shift` of phase `phase`.
 */
export interface Tap {
  readonly index: number;
  readonly phase: number;
  readonly shift: number;
}

/** The taps of an axis, in their order. */
export function tapsOf({ kernel, stride, dilation }: Axis): Tap[] {
  return Array.from({ length: kernel }, (_, index) => ({
    index,
    phase: (index * dilation) % stride,
    shift: Math.floor((index * dilation) / stride),
  }));
}

/** The elements of a phase that lie on the input and not on its padding: from `first` up to, not including, `end`. */
export function elementsOf({ input, stride, pad }: Axis, phase: number): { first: number; end: number } {
  return { first: Math.max(0, Math.ceil((pad - phase) / stride)), end: Math.ceil((input + pad - phase) / stride) };
}
