import { duration, whole } from './format.ts';
import type { Environment, Run } from './schema.ts';
import { renderMarkdown, renderText } from './table.ts';
import { comparisonTable, deviceLine, tablesOf } from './tables.ts';

/** A run's tables for a terminal. */
export function textReport(run: Run): string {
  return tablesOf(run).map(renderText).join('\n');
}

/** One or more runs as a Markdown document. */
export function markdownReport(runs: readonly Run[]): string {
  const beside = runs.length > 1 ? [renderMarkdown(comparisonTable(runs))] : [];
  const sections = runs.map((run, i) =>
    [
      `## ${runs.length > 1 ? `${i + 1}: ` : ''}${deviceLine(run.environment)}`,
      '',
      ...facts(run.environment),
      '',
      ...tablesOf(run).map(renderMarkdown),
    ].join('\n'),
  );
  return ['# Saccade benchmark', '', ...beside, ...sections].join('\n');
}

function facts({ startedAt, durationSeconds, cpu, cores, memoryBytes, platform, versions, commit, command, interrupted }: Environment): string[] {
  const memory = memoryBytes === null ? 'memory unknown' : `${(memoryBytes / 2 ** 30).toFixed(0)} GiB`;
  return [
    `- ${startedAt}, ${duration(1000 * durationSeconds)}${interrupted ? ', ended early' : ''}: \`saccade-bench ${command.join(' ')}\``,
    `- ${cpu ?? 'CPU'}, ${whole(cores)} cores, ${memory}, ${platform}; commit ${commit ?? 'unknown'}`,
    `- ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
  ];
}
