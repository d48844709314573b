import type { RunState, RunStatus } from '../../browser/runner.ts';
import { duration } from '../../report/format.ts';
import { live, progress, running } from '../state.ts';

const HEADINGS: Record<RunStatus, string> = {
  running: 'Measuring',
  paused: 'Paused',
  lost: 'The GPU was lost',
  done: 'Done',
  cancelled: 'Cancelled',
  failed: 'The run failed',
};

/** How the run under way stands, or how the last one ended. */
export function Progress() {
  const state = progress.value;
  const run = running.value;
  return (
    <>
      <p class="hidden" role="status">
        {state && `${HEADINGS[state.status]}. ${explanationOf(state, live.value.length) ?? ''}`}
      </p>
      {state && (run || state.status === 'failed' || state.status === 'cancelled') && (
        <section class={`progress ${state.status}`} aria-label="Progress">
          <h2>
            {HEADINGS[state.status]}
            {run && <span class="figure">{Math.floor(100 * state.fraction)} %</span>}
          </h2>
          {run && <progress max={1} value={state.fraction} aria-label="Of the whole run" />}
          {run && (
            <p class="under">
              <span>{state.label}</span>
              <span class="figure">{state.leftMs === null ? 'time left not known yet' : `about ${duration(state.leftMs)} left`}</span>
            </p>
          )}
          <Explanation state={state} />
          {run && (
            <p class="actions">
              {state.status === 'lost' && (
                <button type="button" class="primary" onClick={() => run.resume()}>
                  Resume
                </button>
              )}
              <button type="button" onClick={() => run.cancel()}>
                Cancel
              </button>
            </p>
          )}
        </section>
      )}
    </>
  );
}

function Explanation({ state }: { state: RunState }) {
  const text = explanationOf(state, live.value.length);
  return text === null ? null : <p class="explanation">{text}</p>;
}

function explanationOf({ status, reason }: RunState, results: number): string | null {
  const why = reason ?? 'The browser gave no reason.';
  const explanations: Record<RunStatus, string | null> = {
    running: null,
    paused: 'The tab lies hidden, where browsers slow down what runs. The sample under way is discarded; the run goes on when you are back.',
    lost: `${why.replace(/\.?$/, '.')} What was measured is kept; the measurement under way is taken again when you resume.`,
    done: `${results} results.`,
    cancelled: results > 0 ? 'What was measured until then is below.' : 'Nothing was measured until then.',
    failed: why,
  };
  return explanations[status];
}
