import type { Environment } from '../report/schema.ts';
import type { Probe } from './jobs.ts';

/** What a run says of the machine and of the browser, if there is one. */
export type Machine = Pick<Environment, 'cpu' | 'cores' | 'memoryBytes' | 'platform' | 'browser'>;

/** What is measured, by version and commit. */
export type Measured = Pick<Environment, 'versions' | 'commit'>;

/** How a run was asked for, and how it went. */
export interface Course extends Pick<Environment, 'command' | 'data' | 'interrupted'> {
  readonly startedAt: Date;
  readonly budgetMs: number;
}

/** The record of where and how a run was made, at its end. */
export function environmentOf(
  { name, device, software, threads, copyBytesPerSecond }: Probe,
  { startedAt, budgetMs, command, data, interrupted }: Course,
  machine: Machine,
  measured: Measured,
): Environment {
  const durationSeconds = (Date.now() - startedAt.getTime()) / 1000;
  return {
    startedAt: startedAt.toISOString(),
    durationSeconds,
    command: [...command],
    budgetSeconds: budgetMs / 1000,
    data,
    interrupted,
    backend: name,
    device,
    software,
    threads,
    copyBytesPerSecond,
    ...machine,
    ...measured,
  };
}
