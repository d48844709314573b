import { fork } from 'node:child_process';
import { setDeadline } from '../compare/deadline.ts';
import type { Crew, Job, JobOptions, JobOutcome, Message } from '../compare/jobs.ts';
import { JobFailure } from '../errors.ts';

/**
 * Does each job in a process of its own.
 *
 * @param program the file that does jobs when run with the argument `worker`
 */
export function processCrew(program: string): Crew {
  return (job, options) => performInProcess(program, job, options);
}

function performInProcess<J extends Job>(program: string, job: J, options: JobOptions): Promise<JobOutcome[J['job']]> {
  options.signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<JobOutcome[J['job']]>();
  // Detached, so that Ctrl-C in a terminal reaches this process alone, which then decides.
  const worker = fork(program, ['worker'], { detached: true, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const letGo = setDeadline(options, (reason) => {
    reject(reason);
    worker.kill('SIGKILL');
  });
  let complaints = '';
  worker.stderr!.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-2000);
  });
  worker.on('message', (message: Message) => {
    if ('progress' in message) options.onProgress?.(message.progress);
    else if ('error' in message) reject(new JobFailure(message.error));
    else resolve(message.outcome as JobOutcome[J['job']]);
  });
  worker.on('error', reject);
  worker.on('close', (code, by) => {
    const last = complaints.trim().split('\n').at(-1);
    const how = by ? `was killed (${by}), most likely for want of memory` : `ended early with exit code ${code}`;
    reject(new JobFailure(`its process ${how}${last ? `: ${last}` : ''}`));
  });
  worker.send(job);
  return promise.finally(letGo);
}
