import type { Installation } from '../node/installation.ts';
import { serve } from '../node/worker.ts';
import { run } from './run.ts';

/** Runs the command line of this process, or, in a process that was started for it, one measurement. */
export async function launch(installation: Installation): Promise<void> {
  const args = process.argv.slice(2);
  if (args[0] === 'worker' && process.send) serve(installation);
  else process.exitCode = await run(args, installation);
}
