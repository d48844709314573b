import { join } from 'node:path';
import type { BackendInUse } from '@saccade/backends';
import { BenchError } from '../errors.ts';
import { compare, type Plan } from '../node/compare.ts';
import { perform } from '../node/crew.ts';
import { machine } from '../node/environment.ts';
import type { Installation } from '../node/installation.ts';
import { loadData } from '../node/load-data.ts';
import { readRun, ResultsError, writeRun } from '../node/results.ts';
import { markdownReport, textReport } from '../report/report.ts';
import type { Environment, Result, Run } from '../report/schema.ts';
import { deviceLine } from '../report/tables.ts';
import { UsageError } from './errors.ts';
import { HELP } from './help.ts';
import { parseOptions, type Options } from './options.ts';
import { failureRows, fieldOf, planOf, type Field } from './plan.ts';
import { Progress } from './progress.ts';

const EXIT = { ok: 0, failed: 1, interrupted: 130 } as const;

/**
 * Runs the command line.
 *
 * @returns the exit code
 */
export async function run(args: readonly string[], installation: Installation): Promise<number> {
  try {
    return await dispatch(parseOptions(args), args, installation);
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    process.stderr.write(`saccade-bench: ${error.message}\n`);
    return error.exitCode;
  }
}

async function dispatch(options: Options, args: readonly string[], installation: Installation): Promise<number> {
  if (options.help) process.stdout.write(HELP);
  else if (options.command === 'report') process.stdout.write(markdownReport(options.files.map(readRun)));
  else if (options.command === 'pack') await pack(options.out!, installation);
  else return measure(options, args, installation);
  return EXIT.ok;
}

async function pack(out: string, installation: Installation): Promise<void> {
  if (!installation.pack) throw new UsageError('This is a packed benchmark already. Copy its folder, or pack again from the repository.');
  await installation.pack(out);
}

async function measure(options: Options, args: readonly string[], installation: Installation): Promise<number> {
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort(new BenchError('Interrupted before anything was measured.', EXIT.interrupted));
  // Every time, not once: npm passes on the Ctrl-C that the terminal has already sent to all.
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const startedAt = new Date();
  const field = await fieldOf(installation.packages);
  // Checked before anything is measured: names, and the images.
  const { accuracy } = planOf(options, 'cpu', field, installation);
  const data = accuracy && loadData(accuracy.dataDir).name;
  const inUse = await perform(installation.program, { task: 'probe', backend: options.backend }, { signal: interrupt.signal });
  process.stderr.write(`${deviceLine({ ...inUse, backend: inUse.name })}\n`);

  const plan = planOf(options, inUse.name, field, installation);
  const results = await collect(plan, field, options, installation, interrupt.signal);
  const environment = environmentOf(inUse, plan, startedAt, args, installation, data, interrupt.signal.aborted);
  const saved = present({ environment, results }, options.json ?? defaultFile(installation, startedAt, inUse));
  if (interrupt.signal.aborted) return EXIT.interrupted;
  return saved && results.every(({ error }) => error === undefined) ? EXIT.ok : EXIT.failed;
}

async function collect(plan: Plan, field: Field, { command, blocks }: Options, { program }: Installation, signal: AbortSignal): Promise<Result[]> {
  const results = new Map<string, Result>();
  if (command !== 'primitives' && !blocks) for (const row of failureRows(field, plan.backend)) results.set(row.block, row);
  const progress = new Progress(process.stderr);
  try {
    await compare(plan, { program, signal, onProgress: (label, leftMs) => progress.update(label, leftMs) }, results);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    progress.clear();
  }
  return [...results.values()];
}

/** Prints a run and writes it; returns whether it could be written. */
function present(result: Run, file: string): boolean {
  process.stdout.write(result.results.length > 0 ? textReport(result) : 'Nothing was measured.\n');
  try {
    writeRun(file, result);
    process.stderr.write(`Results: ${file}\n`);
    return true;
  } catch (error) {
    if (!(error instanceof ResultsError)) throw error;
    process.stderr.write(`saccade-bench: ${error.message}\n`);
    return false;
  }
}

function environmentOf(
  { name, device, software }: BackendInUse,
  { budgetMs }: Plan,
  startedAt: Date,
  command: readonly string[],
  { versions, commit }: Installation,
  data: string | null,
  interrupted: boolean,
): Environment {
  const durationSeconds = (Date.now() - startedAt.getTime()) / 1000;
  const what = { startedAt: startedAt.toISOString(), durationSeconds, command: [...command], budgetSeconds: budgetMs / 1000, data, interrupted };
  return { ...what, backend: name, device, software, ...machine(), versions: versions(), commit: commit() };
}

function defaultFile({ resultsDir }: Installation, startedAt: Date, { name }: BackendInUse): string {
  return join(resultsDir, `${startedAt.toISOString().replaceAll(':', '-').replace(/\..*/, '')}-${name}.json`);
}
