import { z } from 'zod';

const milliseconds = z.number().nonnegative();
const count = z.number().int().nonnegative();
const interval = z.tuple([z.number(), z.number()]);

const environment = z.strictObject({
  /** ISO 8601. */
  startedAt: z.iso.datetime(),
  durationSeconds: z.number().nonnegative(),
  /** The arguments of the run. */
  command: z.array(z.string()),
  backend: z.enum(['cpu', 'wasm', 'webgpu']),
  /** The CPU or GPU that the backend computes on. */
  device: z.string(),
  /** True where a CPU plays the GPU: right numbers, meaningless timings. */
  software: z.boolean(),
  cpu: z.string(),
  cores: count,
  memoryBytes: count,
  platform: z.string(),
  versions: z.record(z.string(), z.string()),
  commit: z.string().nullable(),
  budgetSeconds: z.number().positive(),
  /** The images that accuracy was measured on. */
  data: z.string().nullable(),
  /** True where the run was ended early: what is there is right, but not all that was asked for. */
  interrupted: z.boolean(),
});

const subject = {
  block: z.string(),
  /** The package; null for the network without a block. */
  package: z.string().nullable(),
  backend: z.enum(['cpu', 'wasm', 'webgpu']),
  /** Why there are no figures. */
  error: z.string().optional(),
};

const latency = z.strictObject({
  kind: z.literal('latency'),
  ...subject,
  shape: z.array(count),
  medianMs: milliseconds.optional(),
  p95Ms: milliseconds.optional(),
  firstRunMs: milliseconds.optional(),
  kernels: count.optional(),
  bytesMoved: count.optional(),
  peakBytes: z.number().nullable().optional(),
  params: count.optional(),
  macs: count.optional(),
  /** Each sample, in milliseconds a forward. */
  samples: z.array(milliseconds).optional(),
  baselineMedianMs: milliseconds.optional(),
  baselineP95Ms: milliseconds.optional(),
  baselineKernels: count.optional(),
  baselineBytesMoved: count.optional(),
  /** Sample `i` was taken right before or after the block's sample `i`. */
  baselineSamples: z.array(milliseconds).optional(),
  /** Why the baseline was not run. */
  baselineRefused: z.string().optional(),
  /** How many times faster the block is than its baseline. */
  ratio: z.number().positive().optional(),
  ratioCi95: interval.nullable().optional(),
  /** The largest difference of the outputs, as a fraction of the larger of 1 and the baseline's largest value. */
  difference: z.number().nonnegative().optional(),
});

const accuracy = z.strictObject({
  kind: z.literal('accuracy'),
  ...subject,
  epochs: count,
  /** Mean and half-width of its 95 % interval, as fractions of the test images. */
  accuracyMean: z.number().min(0).max(1).optional(),
  accuracyCi95: z.number().nonnegative().nullable().optional(),
  /** The median over seeds of the median training step. */
  stepMs: milliseconds.optional(),
  params: count.optional(),
  /** Each seed's training. */
  samples: z.array(z.strictObject({ seed: count, accuracy: z.number().min(0).max(1), stepMs: milliseconds, losses: z.array(z.number()) })).optional(),
});

const run = z.strictObject({ environment, results: z.array(z.discriminatedUnion('kind', [latency, accuracy])) });

export type Environment = z.infer<typeof environment>;
export type LatencyResult = z.infer<typeof latency>;
export type AccuracyResult = z.infer<typeof accuracy>;
export type Result = LatencyResult | AccuracyResult;
/** A run of the benchmark, as its JSON file holds it. */
export type Run = z.infer<typeof run>;

/**
 * Checks that a value is a run.
 *
 * @param source where it came from, for the message
 * @throws where it is not, naming the first field that is wrong
 */
export function checkRun(value: unknown, source: string): Run {
  const checked = run.safeParse(value);
  if (checked.success) return checked.data;
  const { path, message } = checked.error.issues[0];
  throw new Error(
    `${source} is not a result of this benchmark: at ${path.join('.') || 'its top'}, ${message}. Give a file that "saccade-bench --json FILE" wrote.`,
  );
}
