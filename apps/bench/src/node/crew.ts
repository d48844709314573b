import { fork } from 'node:child_process';
import { BenchError } from '../errors.ts';
import type { Message, Task, TaskOutcome } from './tasks.ts';

/** A measurement that failed; the message says why, for the reader of a table. */
export class TaskFailure extends BenchError {
  override name = 'TaskFailure';
}

export interface TaskOptions {
  /** Ends the task's process at once. */
  readonly signal: AbortSignal;
  /** Ends the task after so many milliseconds. */
  readonly timeoutMs?: number;
  readonly onProgress?: (fraction: number) => void;
}

/**
 * Performs a task in a process of its own: a first run is a first run, memory is its own, and a crash ends nothing else.
 *
 * @param program the file that serves tasks when run with the argument `worker`
 * @throws {@link TaskFailure} where the task fails, takes too long or dies; the signal's reason where it is aborted
 */
export function perform<T extends Task>(program: string, task: T, { signal, timeoutMs, onProgress }: TaskOptions): Promise<TaskOutcome[T['task']]> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<TaskOutcome[T['task']]>();
  // Detached, so that Ctrl-C in a terminal reaches this process alone, which then decides.
  const worker = fork(program, ['worker'], { detached: true, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const end = (failure: unknown) => {
    reject(failure);
    worker.kill('SIGKILL');
  };
  const onAbort = () => end(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const timer =
    timeoutMs !== undefined &&
    setTimeout(
      () =>
        end(
          new TaskFailure(
            `stopped after ${Math.round(timeoutMs / 1000)} s: the run has taken far longer than its time budget; give more with --budget`,
          ),
        ),
      timeoutMs,
    );
  let complaints = '';
  worker.stderr!.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-2000);
  });
  worker.on('message', (message: Message) => {
    if ('progress' in message) onProgress?.(message.progress);
    else if ('error' in message) reject(new TaskFailure(message.error));
    else resolve(message.outcome as TaskOutcome[T['task']]);
  });
  worker.on('error', reject);
  worker.on('close', (code, by) => {
    const last = complaints.trim().split('\n').at(-1);
    const how = by ? `was killed (${by}), most likely for want of memory` : `ended early with exit code ${code}`;
    reject(new TaskFailure(`its process ${how}${last ? `: ${last}` : ''}`));
  });
  worker.send(task);
  return promise.finally(() => {
    signal.removeEventListener('abort', onAbort);
    if (timer) clearTimeout(timer);
  });
}
