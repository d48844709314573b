import { computed, signal } from '@preact/signals';
import { shapeName } from '../../report/format.ts';
import type { AccuracyResult, LatencyResult, Run, ScalingResult } from '../../report/schema.ts';
import type { TaskName } from '../../tasks/names.ts';
import { shown } from '../state.ts';

/** What the user has chosen to see; null before. */
export const chosenShape = signal<string | null>(null);
export const chosenTask = signal<TaskName | null>(null);

/** The shapes of the run that is shown, the largest map first. */
export const shapes = computed(() => {
  const timed = shown.value ? latenciesOf(shown.value.run) : [];
  const sizes = new Map(timed.map(({ shape }) => [shapeName(shape), shape.reduce((product, size) => product * size, 1)]));
  return [...sizes].toSorted((a, b) => b[1] - a[1]).map(([name]) => name);
});
/** The tasks of the run that is shown. */
export const tasks = computed(() => [...new Set(shown.value ? accuraciesOf(shown.value.run).map(({ task }) => task) : [])]);

/** What is seen: what was chosen, where the run has it. */
export const shape = computed(() => shapes.value.find((name) => name === chosenShape.value) ?? shapes.value.at(0) ?? null);
export const task = computed(() => tasks.value.find((name) => name === chosenTask.value) ?? tasks.value.at(0) ?? null);

/** Latencies at shapes; without the rows of packages that could not be loaded, which have none. */
export function latenciesOf({ results }: Run): LatencyResult[] {
  return results.filter((result): result is LatencyResult => result.kind === 'latency' && result.shape.length > 0);
}

export function scalingsOf({ results }: Run): ScalingResult[] {
  return results.filter((result): result is ScalingResult => result.kind === 'scaling');
}

export function accuraciesOf({ results }: Run): AccuracyResult[] {
  return results.filter((result): result is AccuracyResult => result.kind === 'accuracy');
}
