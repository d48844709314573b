import type { BackendName } from '@saccade/backends';
import { listPrimitives } from '../engine/primitives.ts';
import { DEFAULT_SHAPES, type BenchEntry } from '../entry.ts';
import type { Plan } from '../node/compare.ts';
import type { LatencyCase } from '../node/compare-latency.ts';
import type { BenchPackage, Installation } from '../node/installation.ts';
import { dataDirOf } from '../node/load-data.ts';
import type { Subject } from '../node/tasks.ts';
import type { LatencyResult } from '../report/schema.ts';
import { unknownName, UsageError } from './errors.ts';
import type { Options } from './options.ts';

/** A block that takes part. */
export interface Participant {
  readonly subject: Subject;
  readonly entry: BenchEntry;
}

/** The blocks that take part, and the packages whose entries could not be loaded, with the reason. */
export interface Field {
  readonly participants: readonly Participant[];
  readonly failures: readonly { readonly package: string; readonly error: string }[];
}

/**
 * Loads all entries.
 *
 * @throws UsageError where two entries have one name, or none was found
 */
export async function fieldOf(packages: readonly BenchPackage[]): Promise<Field> {
  const participants: Participant[] = [];
  const failures: { package: string; error: string }[] = [];
  for (const { name, load } of packages) {
    try {
      for (const entry of await load()) participants.push({ subject: { kind: 'block', package: name, block: entry.block }, entry });
    } catch (error) {
      failures.push({ package: name, error: `its bench file cannot be loaded: ${(error as Error).message}` });
    }
  }
  const twice = participants.find(({ entry }, i) => participants.findIndex((other) => other.entry.block === entry.block) !== i);
  if (twice)
    throw new UsageError(
      `Two entries have the name ${twice.entry.block}, one of them in ${twice.subject.package}. Give each block its class's name.`,
    );
  if (participants.length + failures.length === 0)
    throw new UsageError('No block found. A package takes part by "saccade": {"bench": "./bench/index.ts"} in its package.json.');
  return { participants, failures };
}

/**
 * What the options ask to be measured.
 *
 * @throws UsageError for the name of no block, DataError for `debian` where it is not installed
 */
export function planOf(options: Options, backend: BackendName, field: Field, { subsetDir }: Pick<Installation, 'subsetDir'>): Plan {
  const { command, budgetSeconds, seeds, epochs = 3 } = options;
  if (command === 'primitives') {
    const latency = primitiveCases(options.blocks);
    return { backend, latency, accuracy: null, budgetMs: 1000 * (budgetSeconds ?? 120) };
  }
  const chosen = choose(field, options.blocks);
  const latency =
    command === 'accuracy'
      ? []
      : chosen.flatMap(({ subject, entry }) => (options.shapes ?? entry.shapes ?? DEFAULT_SHAPES).map((shape) => ({ subject, shape })));
  const accuracy =
    command === 'latency'
      ? null
      : {
          subjects: [null, ...chosen.map(({ subject }) => subject)],
          dataDir: dataDirOf(options.data, subsetDir),
          epochs,
          seeds: seeds ?? null,
          toTheEnd: seeds !== undefined || options.epochs !== undefined,
        };
  return { backend, latency, accuracy, budgetMs: 1000 * (budgetSeconds ?? defaultBudget(chosen.length)) };
}

/** The rows of packages that could not be loaded. */
export function failureRows({ failures }: Field, backend: BackendName): LatencyResult[] {
  return failures.map(({ package: name, error }) => ({ kind: 'latency', block: name, package: name, backend, shape: [], error }));
}

/** Five minutes for a dozen blocks and fewer, and as much for each dozen more. */
function defaultBudget(blocks: number): number {
  return 300 * Math.max(1, blocks / 12);
}

function choose({ participants }: Field, names: readonly string[] | undefined): Participant[] {
  if (!names) return [...participants];
  if (names.length === 0) throw new UsageError('--blocks names no block. Separate names by commas: --blocks SqueezeExcite,CBAM');
  const namesOf = ({ subject }: Participant) => [subject.block, subject.package, subject.package.replace(/^.*\//, '')];
  const matches = names.map((name) =>
    participants.filter((participant) => namesOf(participant).some((own) => own.toLowerCase() === name.toLowerCase())),
  );
  const unknown = names.find((_, i) => matches[i].length === 0);
  if (unknown)
    throw unknownName(
      'block',
      unknown,
      participants.flatMap((participant) => namesOf(participant).filter((_, i) => i !== 1)),
    );
  return [...new Set(matches.flat())];
}

function primitiveCases(names: readonly string[] | undefined): LatencyCase[] {
  const all = listPrimitives();
  const unknown = names?.find((name) => !all.some((primitive) => primitive.name.toLowerCase() === name.toLowerCase()));
  if (unknown)
    throw unknownName(
      'primitive',
      unknown,
      all.map(({ name }) => name),
    );
  const chosen = names ? all.filter(({ name }) => names.some((wanted) => wanted.toLowerCase() === name.toLowerCase())) : all;
  return chosen.flatMap(({ name, shapes }) =>
    shapes.map((shape) => ({ subject: { kind: 'primitive' as const, package: '@saccade/core', block: name }, shape })),
  );
}
