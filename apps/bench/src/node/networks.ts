import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TrainedNetwork } from '../compare/perform.ts';
import { BenchError } from '../errors.ts';
import { saveNetwork } from '../look/saved-network.ts';
import { formatOf, tasks } from '../tasks/tasks.ts';
import type { Installation } from './installation.ts';

/**
 * Writes a trained network to `TASK-BLOCK.safetensors` in the folder that its job names.
 *
 * @throws BenchError where it cannot be written
 */
export async function writeNetwork(
  { network, training, normalisation, images, job }: TrainedNetwork,
  { versions, commit }: Installation,
): Promise<void> {
  const { subject, task, seed, epochs, backend } = job;
  const all = versions();
  const bytes = await saveNetwork(network, {
    task,
    block: subject?.block ?? null,
    package: subject?.package ?? null,
    packageVersion: subject ? all[subject.package] : null,
    seed,
    epochs,
    data: images.name,
    metric: tasks[task].metric,
    score: training.accuracy,
    params: training.params,
    images: formatOf(images),
    ...normalisation,
    backend,
    versions: Object.fromEntries(Object.entries(all).filter(([name]) => name === 'node' || name.startsWith('@tensorflow/'))),
    commit: commit(),
    date: new Date().toISOString(),
  });
  const file = join(job.saveTo!, `${task}-${subject?.block ?? 'none'}.safetensors`);
  try {
    mkdirSync(job.saveTo!, { recursive: true });
    writeFileSync(file, bytes);
  } catch (error) {
    throw new BenchError(`The network could not be written to ${file}: ${(error as Error).message}. Name another folder with --save DIR.`);
  }
}
