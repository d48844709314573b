import { join } from 'node:path';
import type { BackendName } from '@saccade/backends/names';
import { compare, type Plan } from '../compare/compare.ts';
import { environmentOf, type Machine } from '../compare/environment.ts';
import type { Crew, Probe } from '../compare/jobs.ts';
import { failureRows, fieldOf, planOf, type Field, type Request } from '../compare/plan.ts';
import { BenchError, UsageError } from '../errors.ts';
import { processCrew } from '../node/crew.ts';
import { machine } from '../node/environment.ts';
import type { Installation } from '../node/installation.ts';
import { checkPeers } from '../peers/check.ts';
import { dataDirOf, loadData } from '../node/load-data.ts';
import { readRun, ResultsError, writeRun } from '../node/results.ts';
import { markdownReport, textReport } from '../report/report.ts';
import type { Environment, Result, Run } from '../report/schema.ts';
import { deviceLine } from '../report/tables.ts';
import { HELP } from './help.ts';
import { parseOptions, type Options } from './options.ts';
import { Progress } from './progress.ts';
import { aboutPage, serveForChrome, servePage } from './serve.ts';

const EXIT = { ok: 0, failed: 1, interrupted: 130 } as const;

/** A command line that measures. */
type Measuring = Options & { readonly command: Request['command'] };

/** What does the jobs of a run, and where it is. */
interface Place {
  readonly crew: Crew;
  readonly machine: Machine;
  readonly versions: Environment['versions'];
  /** The name by which its host knows the images. */
  readonly data: string;
  close(): Promise<void>;
}

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
  const { command } = options;
  if (options.help) process.stdout.write(HELP);
  else if (command === 'report') process.stdout.write(markdownReport(options.files.map(readRun)));
  else if (command === 'pack') await pack(options.out!, installation);
  else if (command === 'serve') await servePage(options, installation);
  else return measure({ ...options, command }, args, installation);
  return EXIT.ok;
}

async function pack(out: string, installation: Installation): Promise<void> {
  if (!installation.pack) throw new UsageError('This is a packed benchmark already. Copy its folder, or pack again from the repository.');
  await installation.pack(out);
}

async function measure(options: Measuring, args: readonly string[], installation: Installation): Promise<number> {
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort(new BenchError('Interrupted before anything was measured.', EXIT.interrupted));
  // Every time, not once: npm passes on the Ctrl-C that the terminal has already sent to all.
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  const startedAt = new Date();
  const field = await fieldOf(installation.packages);
  const folder = dataDirOf(options.data, installation.subsetDir);
  // Checked before anything is measured: names, and the images.
  const needsImages = planOf(options, 'cpu', field, folder).accuracy.length > 0;
  const data = needsImages ? loadData(folder).name : null;
  const place = await placeOf(options, folder, installation);
  try {
    const probe = await place.crew({ job: 'probe', backend: options.backend }, { signal: interrupt.signal });
    process.stderr.write(`${deviceLine({ ...probe, backend: probe.name })}\n`);
    if (options.peers) checkComparison(options.peers, probe.name, installation);
    const plan = planOf(options, probe.name, field, place.data);
    const results = await collect(plan, field, options, place.crew, interrupt.signal);
    const course = { startedAt, command: [...args], budgetMs: plan.budgetMs, data, interrupted: interrupt.signal.aborted };
    const measured = { versions: place.versions, commit: installation.commit() };
    const environment = environmentOf(probe, course, place.machine, measured);
    const saved = present({ environment, results }, options.json ?? defaultFile(installation, startedAt, probe));
    if (interrupt.signal.aborted) return EXIT.interrupted;
    return saved && !results.some(isFailed) ? EXIT.ok : EXIT.failed;
  } finally {
    await place.close();
  }
}

/** Libraries to compare with are there before anything is measured. */
function checkComparison(peers: NonNullable<Options['peers']>, backend: BackendName, { startPeer }: Installation): void {
  if (!startPeer) throw new UsageError('A packed benchmark has no other libraries to compare with. Use --peer in the repository.');
  checkPeers(peers, backend);
}

async function placeOf({ place, backend, chrome }: Options, folder: string, installation: Installation): Promise<Place> {
  if (place === 'node') {
    const { program, versions } = installation;
    return { crew: processCrew(program), machine: machine(), versions: versions(), data: folder, close: () => Promise.resolve() };
  }
  // Loaded when it is needed: it brings the driver of a browser.
  const { startChrome } = await import('../node/chrome.ts');
  const server = await serveForChrome(folder, installation);
  const browser = await startChrome({ path: chrome ?? null, url: `${server.url}/headless.html`, backend }).catch(async (error: unknown) => {
    await server.close();
    throw error;
  });
  const close = async () => {
    await browser.close();
    await server.close();
  };
  const { versions } = aboutPage(installation);
  return { crew: browser.crew, machine: { ...machine(), ...browser.machine }, versions, data: '/data', close };
}

async function collect(plan: Plan, field: Field, { command, blocks }: Options, crew: Crew, signal: AbortSignal): Promise<Result[]> {
  const results = new Map<string, Result>();
  if (command !== 'primitives' && !blocks) for (const row of failureRows(field, plan.backend)) results.set(row.block, row);
  const progress = new Progress(process.stderr);
  try {
    const onProgress = (label: string, leftMs: number) => progress.update(label, leftMs);
    await compare(plan, { crew, signal, onProgress, clock: () => performance.now() }, results);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    progress.clear();
  }
  return [...results.values()];
}

/** Whether the block, or what it is compared with, gave no figures. */
function isFailed(result: Result): boolean {
  const peers = result.kind === 'latency' ? Object.values(result.peers ?? {}) : [];
  return [result, ...peers].some(({ error }) => error !== undefined);
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

function defaultFile({ resultsDir }: Installation, startedAt: Date, { name }: Probe): string {
  return join(resultsDir, `${startedAt.toISOString().replaceAll(':', '-').replace(/\..*/, '')}-${name}.json`);
}
