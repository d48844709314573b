import type { BackendName } from '@saccade/backends/names';
import { listPrimitives } from '../engine/primitives.ts';
import { DEFAULT_SHAPES, type BenchEntry } from '../entry.ts';
import { unknownName, UsageError } from '../errors.ts';
import { positionsOf } from '../report/format.ts';
import type { LatencyResult } from '../report/schema.ts';
import type { PeerName } from '../peers/names.ts';
import type { TaskName } from '../tasks/names.ts';
import type { Plan } from './compare.ts';
import type { Subject } from './jobs.ts';
import type { LatencyCase } from './latency.ts';
import type { ScalingCase } from './scaling.ts';
import type { BenchPackage } from './packages.ts';

/**
 * From 32×32 positions, below which what a forward costs whatever its map hides how it grows, to 128×128, where what attends among all pairs
 * takes seconds.
 */
const GROWING_SHAPES = [32, 48, 64, 96, 128].map((side) => [1, side, side, 128]);

/** What is asked to be measured. What is not given is for the plan to decide. */
export interface Request {
  readonly command: 'compare' | 'latency' | 'scaling' | 'accuracy' | 'primitives';
  /** By the name of the block or of its package. Default: all. */
  readonly blocks?: readonly string[];
  /** Default: each block's own, and for `scaling` maps from 32×32 to 128×128. */
  readonly shapes?: readonly (readonly number[])[];
  /** Libraries that latency is compared with. Default: none. */
  readonly peers?: readonly PeerName[];
  /** Default: clothes. */
  readonly tasks?: readonly TaskName[];
  /** Default: as many as the budget allows. */
  readonly seeds?: number;
  /** Default: 3. */
  readonly epochs?: number;
  readonly budgetSeconds?: number;
  /** Where trained networks are saved. Default: nowhere. */
  readonly saveTo?: string;
}

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
 * What a request asks to be measured.
 *
 * @param data the images, by the name that the host knows them by
 * @throws UsageError for the name of no block
 */
export function planOf(request: Request, backend: BackendName, field: Field, data: string): Plan {
  const { command, budgetSeconds, tasks = ['clothes'], seeds, epochs = 3, saveTo } = request;
  if (command === 'primitives') {
    return { backend, latency: primitiveCases(request.blocks), scaling: [], accuracy: [], budgetMs: 1000 * (budgetSeconds ?? 120) };
  }
  const chosen = choose(field, request.blocks);
  const casesOf = ({ subject, entry }: Participant) =>
    (request.shapes ?? entry.shapes ?? DEFAULT_SHAPES).map((shape): LatencyCase => ({ subject, shape, peers: request.peers }));
  const subjects = [null, ...chosen.map(({ subject }) => subject)];
  const measures = (what: Request['command']) => command === 'compare' || command === what;
  const toTheEnd = seeds !== undefined || request.epochs !== undefined;
  return {
    backend,
    latency: measures('latency') ? chosen.flatMap(casesOf) : [],
    scaling: command === 'scaling' ? scalingCases(chosen, request.shapes) : [],
    accuracy: !measures('accuracy')
      ? []
      : tasks.map((task) => ({ subjects, task, data, epochs, seeds: seeds ?? null, toTheEnd, saveTo: saveTo ?? null })),
    budgetMs: 1000 * (budgetSeconds ?? defaultBudget(chosen.length)),
  };
}

/** @throws UsageError where the shapes show no growth with the positions alone */
function scalingCases(chosen: readonly Participant[], shapes: readonly (readonly number[])[] = GROWING_SHAPES): ScalingCase[] {
  const [first] = shapes;
  const sizes = new Set(shapes.map(positionsOf));
  const isAlike = (shape: readonly number[]) => shape[0] === first[0] && shape.at(-1) === first.at(-1);
  if (sizes.size < 3 || sizes.size < shapes.length || !shapes.every(isAlike)) {
    throw new UsageError(
      'For scaling, --shapes needs three or more maps that differ in height and width alone: 1x16x16x128,1x32x32x128,1x64x64x128.',
    );
  }
  const rising = shapes.toSorted((a, b) => positionsOf(a) - positionsOf(b));
  return chosen.map(({ subject }) => ({ subject, shapes: rising }));
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
