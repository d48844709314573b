import type { BackendName } from '@saccade/backends/names';
import { mean, meanCi95, median } from '../engine/statistics.ts';
import type { AccuracyResult } from '../report/schema.ts';
import { attempt, type Setting } from './attempt.ts';
import type { TaskName } from '../tasks/names.ts';
import type { Subject } from './jobs.ts';

/** The trainings that are wanted. */
export interface AccuracyPlan {
  /** The blocks, and null for the network without one. */
  readonly subjects: readonly (Subject | null)[];
  readonly task: TaskName;
  /** The images, by the name that the host knows them by. */
  readonly data: string;
  readonly epochs: number;
  /** Null: as many as there is time for. */
  readonly seeds: number | null;
  /** Whether trainings go on when the run should be over. */
  readonly toTheEnd: boolean;
  /** Where the networks of the first seed are saved; null for nowhere. */
  readonly saveTo: string | null;
}

type Sample = NonNullable<AccuracyResult['samples']>[number];

/** More than five make an interval little narrower. */
const MAX_SEEDS = 5;

/**
 * Trains each network with one seed after the other, so that whenever the time is over all blocks have had the same seeds.
 * Each training gives a row on all of its network's trainings so far.
 */
export async function* compareAccuracy(backend: BackendName, plan: AccuracyPlan, setting: Setting): AsyncGenerator<AccuracyResult> {
  const { task, data, epochs, seeds, toTheEnd, saveTo } = plan;
  const { clock, wishedEnd, latestEnd } = setting;
  const start = clock();
  let networks = plan.subjects.map((subject) => ({ subject, samples: [] as Sample[] }));
  let trained = 0;
  const trainingMs = (fraction = 0) => (clock() - start) / (trained + fraction);
  const roundsThatFit = (each: number) => Math.min(MAX_SEEDS, Math.max(1, Math.floor((wishedEnd - start) / (each * networks.length))));

  for (let seed = 1; networks.length > 0 && seed <= (seeds ?? (trained === 0 ? 1 : roundsThatFit(trainingMs()))); seed++) {
    const failed = new Set<unknown>();
    for (const [index, network] of networks.entries()) {
      const { subject, samples } = network;
      const block = subject?.block ?? 'none';
      const report = (fraction: number) => {
        const each = trained > 0 ? trainingMs(fraction) : (wishedEnd - start) / networks.length;
        const rounds = Math.max(seed, seeds ?? roundsThatFit(each));
        setting.onProgress(`${task} ${block}, seed ${seed}`, each * ((rounds - seed + 1) * networks.length - index - fraction));
      };
      report(0);
      const job = { job: 'training' as const, backend, subject, task, data, seed, epochs, ...(saveTo !== null && seed === 1 && { saveTo }) };
      const outcome = await attempt(setting, job, toTheEnd ? Infinity : latestEnd, report);
      trained++;
      const row = { kind: 'accuracy' as const, block, package: subject?.package ?? null, backend, task, epochs };
      if ('error' in outcome) {
        failed.add(network);
        yield { ...row, ...outcome };
      } else {
        samples.push({ seed, accuracy: outcome.accuracy, stepMs: outcome.stepMs, losses: outcome.losses });
        yield { ...row, ...summaryOf(samples), params: outcome.params };
      }
    }
    networks = networks.filter((network) => !failed.has(network));
  }
}

function summaryOf(samples: readonly Sample[]): Partial<AccuracyResult> {
  const accuracies = samples.map(({ accuracy }) => accuracy);
  return {
    accuracyMean: mean(accuracies),
    accuracyCi95: meanCi95(accuracies),
    stepMs: median(samples.map(({ stepMs }) => stepMs)),
    samples: [...samples],
  };
}
