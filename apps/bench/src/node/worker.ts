import { measureAccuracy } from '../engine/accuracy.ts';
import { measureLatency } from '../engine/latency.ts';
import { matchOf, type Match } from '../engine/match.ts';
import { gpuGauge } from '../engine/memory.ts';
import { primitiveMatch } from '../engine/primitives.ts';
import type { BenchEntry } from '../entry.ts';
import { startBackend } from './backend.ts';
import type { Installation } from './installation.ts';
import { loadData } from './load-data.ts';
import { residentGauge } from './memory.ts';
import type { AccuracyTask, LatencyTask, Message, Subject, Task, TaskOutcome } from './tasks.ts';

/** Serves the one task that the parent process sends, and ends the process. */
export function serve(installation: Installation): void {
  process.once('disconnect', () => process.exit());
  process.once('message', (task: Task) => {
    perform(task, installation).then(
      (outcome) => send({ outcome }),
      (error: unknown) => send({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
}

function send(message: Message): void {
  // Dawn keeps a process alive, so that it must be told to end.
  process.send!(message, () => {
    if (!('progress' in message)) process.exit();
  });
}

async function perform(task: Task, installation: Installation): Promise<TaskOutcome[Task['task']]> {
  const backend = await startBackend(task.backend, { training: task.task === 'accuracy', wasmDir: installation.wasmDir });
  if (task.task === 'probe') return backend;
  const onProgress = throttled((progress) => send({ progress }));
  if (task.task === 'latency') {
    const gauge = backend.name === 'webgpu' ? gpuGauge() : residentGauge();
    return measureLatency(await matchFor(task, installation), { timeMs: task.timeMs, gauge, onProgress });
  }
  return train(task, installation, onProgress);
}

async function matchFor({ subject, shape }: LatencyTask, installation: Installation): Promise<Match> {
  return subject.kind === 'primitive' ? primitiveMatch(subject.block, shape) : matchOf(await entryOf(subject, installation), shape);
}

async function train({ subject, dataDir, seed, epochs }: AccuracyTask, installation: Installation, onProgress: (fraction: number) => void) {
  const entry = subject && (await entryOf(subject, installation));
  const insert = entry && { slot: entry.slot, layer: entry.hostLayer ?? entry.layer };
  return measureAccuracy(loadData(dataDir), insert, { seed, epochs, onProgress });
}

async function entryOf(subject: Subject, { packages }: Installation): Promise<BenchEntry> {
  const entries = await packages.find(({ name }) => name === subject.package)!.load();
  return entries.find(({ block }) => block === subject.block)!;
}

/** Passes on at most four reports a second, so that reporting costs the measurement nothing. */
function throttled(report: (fraction: number) => void): (fraction: number) => void {
  let last = 0;
  return (fraction) => {
    const now = performance.now();
    if (now - last < 250) return;
    last = now;
    report(fraction);
  };
}
