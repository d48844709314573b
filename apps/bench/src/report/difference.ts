import { mean, meanCi95, medianCi95, type Interval } from '../engine/statistics.ts';
import { shapeName } from './format.ts';
import type { AccuracyResult, LatencyResult, Result, Run } from './schema.ts';

/**
 * What a difference between two runs amounts to, for the second one. `noise`: the runs may well be alike. `unknown`: there are too few
 * samples to tell, or what was measured is not the same.
 */
export type Verdict = 'better' | 'worse' | 'noise' | 'unknown';

/** A figure of two runs. */
export interface Change {
  readonly first: number;
  readonly second: number;
  readonly verdict: Verdict;
}

/** A block at one shape in two runs. */
export interface LatencyDifference {
  readonly block: string;
  /** 1×56×56×256 */
  readonly shape: string;
  /** Median milliseconds a forward. */
  readonly median: Change;
  /** How many times faster than its plain form: what slows a whole machine cancels out. Null where a run has no figure. */
  readonly timesFaster: Change | null;
}

/** A block on one task in two runs. */
export interface AccuracyDifference {
  readonly block: string;
  readonly task: string;
  /** Mean fractions over seeds. */
  readonly accuracy: Change;
}

/** What two runs measured both. */
export interface Differences {
  readonly latency: readonly LatencyDifference[];
  readonly accuracy: readonly AccuracyDifference[];
}

/**
 * Compares what two runs measured both.
 *
 * A difference is beyond the noise where the two 95 % intervals do not overlap: those of the medians, from order statistics of the samples; of
 * ×plain, from those of the pairs of samples; of mean accuracies, by the t distribution over seeds. Where the two intervals are equally wide,
 * chance alone parts them about once in 200 comparisons. They hold what wandered while the samples were taken, and not what sets two runs
 * apart as a whole, such as the other load of the machine: that shows in the times of all blocks, and not in ×plain.
 */
export function differencesOf(first: Run, second: Run): Differences {
  const sameImages = first.environment.data === second.environment.data;
  return {
    latency: pairs(first, second, isTimed, ({ block, shape }) => `${block} ${shapeName(shape)}`).map(([a, b]) => latencyDifference(a, b)),
    accuracy: pairs(first, second, isTrained, ({ block, task }) => `${block} ${task}`).map(([a, b]) => accuracyDifference(a, b, sameImages)),
  };
}

type Timed = LatencyResult & { medianMs: number };
type Trained = AccuracyResult & { accuracyMean: number };

function latencyDifference(a: Timed, b: Timed): LatencyDifference {
  return {
    block: a.block,
    shape: shapeName(a.shape),
    median: {
      first: a.medianMs,
      second: b.medianMs,
      verdict: verdictOf(medianCi95(a.samples ?? []), medianCi95(b.samples ?? []), 'lower'),
    },
    timesFaster:
      a.ratio !== undefined && b.ratio !== undefined
        ? { first: a.ratio, second: b.ratio, verdict: verdictOf(ratioCi95(a), ratioCi95(b), 'higher') }
        : null,
  };
}

function accuracyDifference(a: Trained, b: Trained, sameImages: boolean): AccuracyDifference {
  const comparable = sameImages && a.epochs === b.epochs;
  return {
    block: a.block,
    task: a.task,
    accuracy: {
      first: a.accuracyMean,
      second: b.accuracyMean,
      verdict: comparable ? verdictOf(accuracyInterval(a), accuracyInterval(b), 'higher') : 'unknown',
    },
  };
}

/** The 95 % interval of a mean accuracy over seeds; null for fewer than two of them. */
function accuracyInterval({ samples = [] }: AccuracyResult): Interval | null {
  const accuracies = samples.map(({ accuracy }) => accuracy);
  const half = meanCi95(accuracies);
  return half === null ? null : [mean(accuracies) - half, mean(accuracies) + half];
}

function ratioCi95({ samples = [], baselineSamples = [] }: LatencyResult): Interval | null {
  return medianCi95(baselineSamples.slice(0, samples.length).map((ms, i) => ms / samples[i]));
}

function verdictOf(first: Interval | null, second: Interval | null, best: 'lower' | 'higher'): Verdict {
  if (!first || !second) return 'unknown';
  if (second[0] <= first[1] && first[0] <= second[1]) return 'noise';
  return second[1] < first[0] === (best === 'lower') ? 'better' : 'worse';
}

function isTimed(result: Result): result is Timed {
  return result.kind === 'latency' && result.medianMs !== undefined;
}

function isTrained(result: Result): result is Trained {
  return result.kind === 'accuracy' && result.accuracyMean !== undefined;
}

/** The results of a kind that both runs have, in the order of the first. */
function pairs<T extends Result>(first: Run, second: Run, isOf: (result: Result) => result is T, keyOf: (result: T) => string): [T, T][] {
  const others = new Map(second.results.filter(isOf).map((result) => [keyOf(result), result]));
  return first.results.filter(isOf).flatMap((result): [T, T][] => {
    const other = others.get(keyOf(result));
    return other ? [[result, other]] : [];
  });
}
