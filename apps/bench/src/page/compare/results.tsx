import { NONE, percent, powerName, shapeName, significant } from '../../report/format.ts';
import type { Result, Run } from '../../report/schema.ts';
import { tablesOf } from '../../report/tables.ts';
import { live } from '../state.ts';
import { accuraciesOf, chosenShape, chosenTask, latenciesOf, scalingsOf, shape, shapes, task, tasks } from './selection.ts';
import { Sortable } from './sortable.tsx';

/** A run's tables: latency at the shape that is seen, accuracy on the task that is seen, and what could not be measured. */
export function Results({ run }: { run: Run }) {
  const seen = [
    ...latenciesOf(run).filter((result) => shapeName(result.shape) === shape.value),
    ...scalingsOf(run),
    ...accuraciesOf(run).filter((result) => result.task === task.value),
    ...run.results.filter((result) => result.kind === 'latency' && result.shape.length === 0),
  ];
  return (
    <section>
      <h2>Results</h2>
      {(shapes.value.length > 1 || tasks.value.length > 1) && (
        <div class="bar">
          {shapes.value.length > 1 && (
            <label>
              Shape{' '}
              <select onChange={(event) => (chosenShape.value = event.currentTarget.value)}>
                {shapes.value.map((name) => (
                  <option key={name} selected={name === shape.value}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
          )}
          {tasks.value.length > 1 && (
            <label>
              Task{' '}
              <select onChange={(event) => (chosenTask.value = tasks.value.find((name) => name === event.currentTarget.value)!)}>
                {tasks.value.map((name) => (
                  <option key={name} selected={name === task.value}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
          )}
        </div>
      )}
      {tablesOf({ environment: run.environment, results: seen }).map((table) => (
        <Sortable key={table.title} table={table} />
      ))}
    </section>
  );
}

/** What the run under way has measured, the latest first. */
export function LiveTable() {
  const rows = live.value.toReversed().map((result) => [result.block, placeOf(result), figureOf(result)]);
  return <Sortable table={{ title: 'Measured until now', notes: [], columns: ['block', 'on', 'result'], rows }} />;
}

function placeOf(result: Result): string {
  if (result.kind === 'latency') return shapeName(result.shape);
  return result.kind === 'scaling' ? 'growing maps' : result.task;
}

function figureOf(result: Result): string {
  if (result.error) return result.error;
  if (result.kind === 'scaling') return result.timeExponent === null ? NONE : powerName(result.timeExponent);
  if (result.kind === 'accuracy') return `${percent(result.accuracyMean)} %`;
  const ratio = result.ratio === undefined ? '' : `, ${result.ratio.toFixed(2)} × plain`;
  return `${significant(result.medianMs)} ms${ratio}`;
}
