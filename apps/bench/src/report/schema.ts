import { BACKENDS } from '@saccade/backends/names';
import { z } from 'zod';
import { TASKS } from '../tasks/names.ts';

// A run may come from anywhere, so that nothing in it is without bounds.
const text = z.string().max(300);
const message = z.string().max(2000);
const milliseconds = z.number().nonnegative();
const count = z.number().int().nonnegative();
const interval = z.tuple([z.number(), z.number()]);
const samples = z.array(milliseconds).max(1000);
const shape = z.array(count).max(8);
const backend = z.enum(BACKENDS);

const environment = z.strictObject({
  /** ISO 8601. */
  startedAt: z.iso.datetime(),
  durationSeconds: z.number().nonnegative(),
  /** The arguments of the run. */
  command: z.array(message).max(100),
  backend,
  /** The CPU or GPU that the backend computes on. */
  device: text,
  /** True where a CPU plays the GPU: right numbers, meaningless timings. */
  software: z.boolean(),
  /** Threads of the wasm backend. */
  threads: count.default(1),
  /** What a copy of a large tensor reads and writes in a second, on this backend. */
  copyBytesPerSecond: z.number().positive().nullable().default(null),
  /** The browser and its version; null in Node. */
  browser: text.nullable().default(null),
  /** The CPU's model, which browsers do not tell. */
  cpu: text.nullable(),
  cores: count,
  /** Browsers tell 8 GiB at most, or nothing. */
  memoryBytes: count.nullable(),
  platform: text,
  versions: z.record(text, text).refine((versions) => Object.keys(versions).length <= 200, 'more than 200 versions'),
  commit: text.nullable(),
  budgetSeconds: z.number().positive(),
  /** The images that accuracy was measured on. */
  data: text.nullable(),
  /** True where the run was ended early: what is there is right, but not all that was asked for. */
  interrupted: z.boolean(),
});

const subject = {
  block: text,
  /** The package; null for the network without a block. */
  package: text.nullable(),
  backend,
  /** Why there are no figures. */
  error: message.optional(),
};

const peer = z.strictObject({
  /** Why there are no figures. */
  error: message.optional(),
  /** The library and its version, and what it computes on. */
  version: text.optional(),
  medianMs: milliseconds.optional(),
  p95Ms: milliseconds.optional(),
  /** How many times faster our block is. */
  ratio: z.number().positive().optional(),
  ratioCi95: interval.nullable().optional(),
  /** What the second of two of the block in a row adds to a call: without the copies of maps into and out of the library. */
  addedMs: z.number().optional(),
  /** How many times faster our block is than that. */
  addedRatio: z.number().optional(),
  /** The largest difference of the outputs, as a fraction of the larger of 1 and the library's largest value. */
  difference: z.number().nonnegative().optional(),
  /** Each sample, in milliseconds a forward, taken in one turn with the block's. */
  samples: samples.optional(),
});

const latency = z.strictObject({
  kind: z.literal('latency'),
  ...subject,
  shape,
  medianMs: milliseconds.optional(),
  p95Ms: milliseconds.optional(),
  firstRunMs: milliseconds.optional(),
  kernels: count.optional(),
  /** Compute shaders run: on WebGPU, where a kernel may take several, and `bytesMoved` is what these read and write. */
  dispatches: count.optional(),
  bytesMoved: count.optional(),
  peakBytes: z.number().nullable().optional(),
  params: count.optional(),
  macs: count.optional(),
  /** Each sample, in milliseconds a forward. */
  samples: samples.optional(),
  baselineMedianMs: milliseconds.optional(),
  baselineP95Ms: milliseconds.optional(),
  baselineKernels: count.optional(),
  baselineDispatches: count.optional(),
  baselineBytesMoved: count.optional(),
  /** Sample `i` was taken right before or after the block's sample `i`. */
  baselineSamples: samples.optional(),
  /** Why the baseline was not run. */
  baselineRefused: message.optional(),
  /** How many times faster the block is than its baseline. */
  ratio: z.number().positive().optional(),
  ratioCi95: interval.nullable().optional(),
  /** The largest difference of the outputs, as a fraction of the larger of 1 and the baseline's largest value. */
  difference: z.number().nonnegative().optional(),
  /** The same block in other libraries, by their names. */
  peers: z
    .record(text, peer)
    .refine((peers) => Object.keys(peers).length <= 10, 'more than 10 peers')
    .optional(),
});

/** Forwards on a map of one size. */
const scalingPoint = z.strictObject({
  shape,
  medianMs: milliseconds,
  macs: count,
  bytesMoved: count,
  peakBytes: z.number().nullable(),
  /** Each sample, in milliseconds a forward. */
  samples,
});
const exponent = z.number().nullable();

const scaling = z.strictObject({
  kind: z.literal('scaling'),
  ...subject,
  /** Maps that differ in their positions alone, the smallest first. */
  points: z.array(scalingPoint).max(100),
  /** The power of the number of positions that the median time grows with, fitted to all points on logarithmic scales; null where they give none. */
  timeExponent: exponent,
  timeExponentCi95: interval.nullable(),
  /** The same of the block's own count of multiply-adds, of the bytes moved and of peak memory. */
  macsExponent: exponent,
  bytesMovedExponent: exponent,
  peakBytesExponent: exponent,
});

const accuracy = z.strictObject({
  kind: z.literal('accuracy'),
  ...subject,
  /** What the network was trained on. */
  task: z.enum(TASKS).default('clothes'),
  epochs: count,
  /** Mean and half-width of its 95 % interval: of the fraction of test images classified right, or for scenes of the mean IoU. */
  accuracyMean: z.number().min(0).max(1).optional(),
  accuracyCi95: z.number().nonnegative().nullable().optional(),
  /** The median over seeds of the median training step. */
  stepMs: milliseconds.optional(),
  params: count.optional(),
  /** Each seed's training. */
  samples: z
    .array(z.strictObject({ seed: count, accuracy: z.number().min(0).max(1), stepMs: milliseconds, losses: z.array(z.number()).max(1000) }))
    .max(100)
    .optional(),
});

const run = z.strictObject({ environment, results: z.array(z.discriminatedUnion('kind', [latency, scaling, accuracy])).max(5000) });

export type Environment = z.infer<typeof environment>;
export type PeerResult = z.infer<typeof peer>;
export type LatencyResult = z.infer<typeof latency>;
export type ScalingPoint = z.infer<typeof scalingPoint>;
export type ScalingResult = z.infer<typeof scaling>;
export type AccuracyResult = z.infer<typeof accuracy>;
export type Result = LatencyResult | ScalingResult | AccuracyResult;
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
