import { z } from 'zod';
import { checkRun, type Run } from '../report/schema.ts';

/** A run that the server keeps. */
export interface ServerRun {
  readonly id: string;
  readonly label: string;
  readonly results: number;
}

const list = z.object({
  runs: z.array(
    z.object({
      id: z.string().max(200),
      environment: z.object({
        startedAt: z.string().max(40),
        backend: z.string().max(20),
        device: z.string().max(300),
        software: z.boolean(),
        browser: z.string().max(300).nullish(),
        platform: z.string().max(300),
      }),
      results: z.number(),
    }),
  ),
});

/** The server's runs, newest first; null where the page does not come from the benchmark's own server, or that cannot be reached. */
export async function listRuns(): Promise<ServerRun[] | null> {
  try {
    const response = await fetch('api/runs', { headers: { accept: 'application/json' } });
    if (!response.ok) return null;
    const { runs } = list.parse(await response.json());
    return runs
      .toSorted((a, b) => b.environment.startedAt.localeCompare(a.environment.startedAt))
      .map(({ id, environment, results }) => ({ id, label: labelOf(environment), results }));
  } catch {
    return null;
  }
}

/**
 * A run that the server keeps.
 *
 * @throws where it cannot be had, or is none
 */
export async function fetchRun(id: string): Promise<Run> {
  const response = await fetch(`api/runs/${encodeURIComponent(id)}`);
  if (!response.ok) throw new Error(`The server has not given run ${id}: ${await reasonOf(response)}`);
  return checkRun(await response.json(), `Run ${id}`);
}

/**
 * Hands a run to the server.
 *
 * @returns its id there
 * @throws where the server does not take it, with its reason
 */
export async function sendRun(run: Run): Promise<string> {
  const response = await fetch('api/runs', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(run) });
  if (!response.ok) throw new Error(`The server has not taken the run: ${await reasonOf(response)}`);
  return z.object({ id: z.string() }).parse(await response.json()).id;
}

/** A run in a few words: what it was measured on, and when. */
export function labelOf({
  startedAt,
  backend,
  device,
  software,
  browser,
  platform,
}: Pick<Run['environment'], 'startedAt' | 'device' | 'software' | 'platform'> & { backend: string; browser?: string | null | undefined }): string {
  const when = new Date(startedAt).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  return [`${backend}, ${device}${software ? ' (software)' : ''}`, browser ?? 'Node', platform, when].join(' · ');
}

async function reasonOf(response: Response): Promise<string> {
  const body: unknown = await response.json().catch(() => null);
  const { data } = z.object({ error: z.string().max(2000) }).safeParse(body);
  return data?.error ?? `status ${response.status}`;
}
